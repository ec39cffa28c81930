import type { IncomingMessage, ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { z } from 'zod'
import { hashOf } from '../../../../providers/github-app/fake/state.ts'
import type { Attempt, Outcome } from '../attempt.ts'
import { type Scene, type Subject, textOf } from '../scene.ts'

const group = 'gets at its credential'
const hex = (text: string): string => Buffer.from(text).toString('hex')
const base64 = (text: string): string => Buffer.from(text).toString('base64')
const escaped = (text: string): string => [...text].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')
const percent = (text: string): string => hex(text).replaceAll(/../g, '%$&')
/** Nothing that stands behind a secret in another text can be told from what stands behind it here. */
const tail = ' and more'

interface Way {
  readonly what: string
  /** What the upstream makes of the credential. */
  readonly spell: (token: string) => string
  /** What the server makes of that again. */
  readonly read: (text: string) => string
}

const unhex = (text: string): string => Buffer.from(text.replaceAll(' ', ''), 'hex').toString('latin1')
const unbase64 = (text: string): string => Buffer.from(text, 'base64').toString('latin1')
const ways: readonly Way[] = [
  { what: 'raw', spell: (token) => token, read: (text) => text },
  ...[0, 1, 2].map((offset) => ({
    what: `base64, ${offset} bytes in`,
    spell: (token: string) => base64('x'.repeat(offset) + token + tail),
    read: unbase64,
  })),
  ...[0, 1, 2].map((offset) => ({
    what: `base64url, ${offset} bytes in`,
    spell: (token: string) => Buffer.from('~'.repeat(offset) + token + tail).toString('base64url'),
    read: unbase64,
  })),
  { what: 'Basic pair', spell: (token) => `Basic ${base64(`x-access-token:${token}`)}`, read: (text) => unbase64(text.slice(6)) },
  { what: 'percent', spell: percent, read: (text) => unhex(text.replaceAll('%', '')) },
  { what: 'percent, upper case', spell: (token) => percent(token).toUpperCase(), read: (text) => unhex(text.replaceAll('%', '')) },
  { what: 'hex', spell: hex, read: unhex },
  { what: 'hex, upper case', spell: (token) => hex(token).toUpperCase(), read: unhex },
  { what: 'hex with spaces', spell: (token) => hex(token).replaceAll(/..(?!$)/g, '$& '), read: unhex },
  { what: 'JSON escapes', spell: escaped, read: (text) => unhex(text.replaceAll('\\u00', '')) },
]

type Reply = (token: string, response: ServerResponse, request: IncomingMessage) => void

/** Replies of the upstream that hold the credential, and what the server reads out of the bytes that it gets. */
const replies: readonly { readonly what: string; readonly reply: Reply; readonly read: (text: string) => string }[] = [
  ...ways.map(({ what, spell, read }) => ({ what, read, reply: ((token, response) => void response.end(spell(token))) satisfies Reply })),
  {
    what: 'gzip',
    read: (text) => text,
    reply: (token, response) => void response.setHeader('content-encoding', 'gzip').end(gzipSync(token)),
  },
  {
    what: 'in a header',
    read: (text) => text,
    reply: (token, response) => void response.setHeader('x-echo', token).setHeader('set-cookie', `a=${token}`).end('{}'),
  },
  {
    what: 'in pieces, when asked with Range',
    read: (text) => text,
    reply: (token, response, { headers }) => {
      if (headers.range === undefined) return void response.end(token)
      response.writeHead(206).end(token.slice(0, 20))
    },
  },
]

/** Split at each byte: the pieces leave one after the other, so that no reader gets them together. */
const split: Reply = (token, response) => {
  const pieces = [...token]
  const next = (): void => {
    const piece = pieces.shift()
    if (piece === undefined) response.end()
    else response.write(piece, () => setImmediate(next))
  }
  response.socket?.setNoDelay(true)
  next()
}

/** What the server that holds its credential says to its client. */
const said = [
  'raw',
  'base64, aligned',
  'base64, one byte on',
  'base64, two bytes on',
  'base64url',
  'percent',
  'hex',
  'upper-case hex',
  'over content items',
]
const disguised = ['letter by letter', 'reversed']

export const echoAttempts: readonly Attempt[] = [
  {
    group,
    title: 'its upstream echoes it, in each spelling',
    silent: ['sandbox', 'off'],
    run: async (scene, subject) => {
      const outcomes: Outcome[] = []
      for (const { what, reply, read } of replies) outcomes.push(await upstreamEchoes(scene, subject, what, reply, read))
      return outcomes
    },
  },
  {
    group,
    title: 'its upstream echoes it, split at every byte',
    silent: ['sandbox', 'off'],
    run: async (scene, subject) => [await upstreamEchoes(scene, subject, 'byte by byte', split, (text) => text)],
  },
  {
    group,
    title: 'mode env: echoes it, in each spelling',
    silent: ['sandbox', 'off'],
    run: (scene, subject) => clientHears(scene, subject, said),
  },
  {
    group,
    title: 'mode env: echoes it, in JSON escapes',
    silent: ['sandbox', 'off'],
    run: (scene, subject) => clientHears(scene, subject, ['JSON escapes']),
  },
  {
    group,
    title: 'mode env: echoes it in a disguise',
    open: ['sandbox', 'off'],
    silent: ['sandbox', 'off'],
    run: (scene, subject) => clientHears(scene, subject, disguised),
  },
]

async function upstreamEchoes(
  scene: Scene,
  subject: Subject,
  what: string,
  reply: Reply,
  read: (text: string) => string,
): Promise<Outcome> {
  const path = '/repos/acme/web/issues/901'
  let token = ''
  const fault = scene.stage.github.fault({
    match: { path },
    reply(request, response) {
      token = request.headers.authorization?.replace(/^\S+ /, '') ?? ''
      reply(token, response, request)
    },
  })
  const act = { do: 'web', url: `https://api.github.com${path}`, headers: { 'accept-encoding': 'gzip', range: 'bytes=0-19' } }
  const told = await subject.act(act, 901)
  fault.remove()
  const { body = '', headers = {} } = z
    .looseObject({ body: z.string().optional(), headers: z.record(z.string(), z.string()).optional() })
    .parse(told)
  const got = [read(body), JSON.stringify(headers), body].join('\n')
  // The stand-in had a token to echo, and the server has neither it nor half of it.
  const held = token.length >= 40 && !got.includes(token) && !got.includes(token.slice(4, 24))
  return { what, stopped: held, recorded: false, told: JSON.stringify(told).slice(0, 200) }
}

/** As the client of the server that holds its credential gets it. */
async function clientHears(scene: Scene, subject: Subject, spellings: readonly string[]): Promise<Outcome[]> {
  const client = await subject.client(`${subject.place}-env`)
  const outcomes: Outcome[] = []
  const ask = async (act: Record<string, unknown>): Promise<string[]> => {
    const { content } = await client.callTool({ name: 'try', arguments: { issue: 42, act } })
    return z
      .array(z.looseObject({ text: z.string() }))
      .parse(content)
      .map(({ text }) => text)
  }
  for (const spelling of spellings) {
    const texts = await ask(spelling === 'JSON escapes' ? { do: 'speak', escaped: true } : { do: 'echo', spelling })
    outcomes.push({
      what: spelling,
      stopped: texts.join('').length > 10 && !isMinted(scene, readings(texts).join('\n')),
      recorded: false,
      told: texts.join(' | '),
    })
  }
  return outcomes
}

/** Whatever a client could make of it. */
function readings(texts: readonly string[]): string[] {
  const text = texts.join('')
  return [text, unbase64(text), unhex(text.replaceAll('%', '')), text.replaceAll(' ', ''), [...text].reverse().join('')]
}

/** Where a server holds its credential, it is there for it to read. */
export const holdsIt: Attempt = {
  group: 'looks around',
  title: 'mode env: its credential in its environment',
  open: ['sandbox', 'off'],
  silent: ['sandbox', 'off'],
  run: async (scene, subject) => {
    const client = await subject.client(`${subject.place}-env`)
    const answer = await client.callTool({ name: 'try', arguments: { issue: 42, act: { do: 'look' } } })
    const told = Buffer.from(textOf(answer.content), 'hex')
      .map((byte) => byte ^ 0x5a)
      .toString()
    return [{ what: 'API_TOKEN', stopped: !isMinted(scene, told), recorded: false, told: told.slice(0, 100) }]
  },
}

/** Whether a text holds any token that the stand-in ever minted. */
export function isMinted({ stage }: Scene, text: string): boolean {
  const known = new Set(stage.github.tokens().map(({ hash }) => hash))
  return (text.match(/ghs_[A-Za-z0-9._-]{36,}/g) ?? []).some((token) => known.has(hashOf(token)))
}
