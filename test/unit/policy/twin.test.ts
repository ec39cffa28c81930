import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { Json } from '../../../src/core/json.ts'
import { type MadeRow, type MadeServer, policyOf, toolCall } from './support.ts'
import { cases } from '../../support/cases.ts'

/**
 * A second decider, written from the rules as people read them, as naively as possible: linear searches, string replacement,
 * no compilation. Both must agree on every generated config and call.
 */
type Args = Record<string, Json>
const conditions: Record<string, (args: Args) => boolean> = {
  'has(args.a)': (args) => 'a' in args,
  'args.a == "x"': (args) => need(args, 'a') === 'x',
  'args.b.startsWith("x")': (args) => text(need(args, 'b')).startsWith('x'),
  '!has(args.b) || args.b == "y"': (args) => !('b' in args) || args['b'] === 'y',
  'args.b.matches("^[xy]+$")': (args) => /^[xy]+$/.test(text(need(args, 'b'))),
}

class Denied extends Error {}

function naive(server: MadeServer, tool: string, args: Args): { effect: string; scope?: Json; requests?: string[] } {
  if (server.deny.includes(tool)) return { effect: 'deny' }
  const effect = server.ask.includes(tool) ? 'ask' : server.allow.includes(tool) ? 'allow' : 'deny'
  if (effect === 'deny') return { effect }
  try {
    const rows = [server.tools[tool] ?? []].flat()
    const row = rows.find((candidate) => candidate.when === undefined || holds(candidate.when, args))
    if (row === undefined) return { effect: 'deny' }
    for (const where of row.where === 'none' ? [] : [server.where, row.where ?? {}]) {
      for (const [name, wanted] of Object.entries(where)) {
        const found = [need(args, name)].flat()
        if (found.length === 0 || !found.every((item) => [wanted].flat().some((value) => value === item))) throw new Denied()
      }
    }
    if (row.credential === 'none') return { effect }
    const scope = Object.fromEntries(
      Object.entries(row.scope ?? {}).map(([key, value]) => [key, typeof value === 'string' ? fill(value, args, true) : value]),
    )
    const requests = (row.requests ?? []).map((rule) => {
      const [path = '', query] = rule.split('?')
      return `${fillPath(path, args).replace(' ', ' https://api.plain.dev')}${query === undefined ? '' : fillQuery(query, args)}`
    })
    return { effect, scope, requests }
  } catch (error) {
    if (error instanceof Denied) return { effect: 'deny' }
    throw error
  }
}

function holds(when: string, args: Args): boolean {
  const read = [...when.replaceAll(/has\(args\.\w+\)/g, '').matchAll(/args\.(\w+)/g)].map((match) => args[match[1] ?? ''])
  if (read.some((value) => typeof value === 'string' && value.length > 4096)) throw new Denied()
  return conditions[when]?.(args) === true
}

function need(args: Args, name: string): Json {
  if (!Object.hasOwn(args, name)) throw new Denied()
  return args[name] ?? null
}

function text(value: Json): string {
  if (typeof value !== 'string') throw new Denied()
  return value
}

function print(value: Json): string {
  if (value === null || typeof value === 'object' || (typeof value === 'number' && String(value).includes('e'))) throw new Denied()
  const printed = String(value)
  if (printed.length > 4096 || /[*?%\\\u0000-\u001f\u007f-\u009f\u202e]|\.\.|\$\{/u.test(printed)) throw new Denied()
  return printed
}

function fill(template: string, args: Args, inScope: boolean): string {
  return template.replace(/\$\{args\.(\w+)\}/g, (whole, name: string) => {
    const value = print(need(args, name))
    if (value === '' || (value.includes('/') && (whole !== template || !inScope))) throw new Denied()
    return value
  })
}

function fillPath(path: string, args: Args): string {
  return path
    .split('/')
    .map((segment) => {
      const several = /^\$\{args\.(\w+)\.\.\.\}$/.exec(segment)?.[1]
      if (several === undefined) {
        const one = fill(segment, args, false)
        if (one === '.') throw new Denied()
        return one
      }
      const value = print(need(args, several))
      if (value.split('/').some((part) => part === '' || part === '.')) throw new Denied()
      return value
    })
    .join('/')
}

function fillQuery(query: string, args: Args): string {
  const parameters = query.split('&').flatMap((parameter) => {
    const [name = '', template] = parameter.split('=')
    if (template === undefined) return [name]
    const argument = /^\$\{args\.(\w+)\}$/.exec(template)?.[1]
    if (argument === undefined) return [parameter]
    return args[argument] === undefined || args[argument] === null ? [] : [`${name}=${print(args[argument])}`]
  })
  return parameters.length === 0 ? '' : ` ?${parameters.join('&')}`
}

const names = ['a', 'b', 'c']
const tools = ['t1', 't2', 't3']
const scalar = fc.constantFrom<Json>('x', 'y', 'xy', 'x/y', '', 1, 2.5, true)
const hostile = fc.constantFrom<Json>(
  '*',
  '**',
  '..',
  '.',
  '../x',
  'x/../y',
  'x//y',
  '/x',
  'x%2fy',
  '${args.a}',
  'x?y=1',
  'x\\y',
  'x\u0000',
  'x\u202ey',
  'X',
  ' x',
  null,
  1e30,
  [],
  ['x'],
  {},
  { x: 'x' },
  'x'.repeat(5000),
)
const args = fc.dictionary(
  fc.constantFrom(...names),
  fc.oneof({ weight: 5, arbitrary: scalar }, { weight: 2, arbitrary: hostile }, { weight: 1, arbitrary: fc.string() }),
)
const where = fc.dictionary(
  fc.constantFrom(...names),
  fc.oneof(fc.constantFrom<Json>('x', 'y', 1, true), fc.constant<Json>(['x', 'y', 'x/y'])),
  { maxKeys: 1 },
)
const row = fc
  .record(
    {
      when: fc.constantFrom(...Object.keys(conditions)),
      where: fc.oneof(fc.constant<'none'>('none'), where),
      scope: fc.constantFrom<Record<string, Json>>({ k: '${args.a}' }, { k: '${args.a}-${args.b}', n: 1 }, { k: 'fixed' }),
      requests: fc.uniqueArray(
        fc.constantFrom(
          'GET /r',
          'GET /r/${args.a}',
          'PUT /r/${args.b}/${args.a}?p',
          'GET /f/${args.b...}',
          'GET /q?z=${args.c}&p',
          'GET /x-${args.c}/*/**',
        ),
        { maxLength: 3 },
      ),
    },
    { requiredKeys: ['scope', 'requests'] },
  )
  .map((made): MadeRow => ({ ...made, arguments: names }))
const free = fc.constant<MadeRow>({ credential: 'none', arguments: names })
const anyRow = fc.oneof({ weight: 4, arbitrary: row }, { weight: 1, arbitrary: free })
const server: fc.Arbitrary<MadeServer> = fc.record({
  run: fc.constant(['x']),
  provider: fc.constant('plain'),
  inject: fc.constant({ env: 'T' }),
  where,
  allow: fc.subarray(tools),
  ask: fc.subarray(tools, { maxLength: 1 }),
  deny: fc.subarray(tools, { maxLength: 1 }),
  tools: fc
    .tuple(...tools.map(() => fc.oneof(anyRow, fc.array(anyRow, { minLength: 1, maxLength: 3 }))))
    .map((rows) => Object.fromEntries(rows.map((one, index) => [tools[index] ?? '', one]))),
})

describe('the decider and its naive twin', () => {
  it('agree on effect, scope and requests', () => {
    const seen = { allow: 0, ask: 0, deny: 0 }
    fc.assert(
      fc.property(
        server,
        fc.array(fc.tuple(fc.constantFrom(...tools, 'other'), args), { minLength: 10, maxLength: 10 }),
        (config, calls) => {
          const policy = policyOf(stringify({ s: config }).replace(/^/gm, '  '))
          for (const [tool, callArgs] of calls) {
            const decision = policy.decide(toolCall('s', tool, callArgs))
            const lease = decision.effect !== 'deny' && decision.grant.credential === 'lease' ? decision.grant : undefined
            const found = {
              effect: decision.effect,
              ...(lease === undefined ? {} : { scope: lease.scope, requests: lease.requests.map((rule) => rule.text) }),
            }
            expect(found, JSON.stringify([tool, callArgs])).toEqual(naive(config, tool, structuredClone<Args>(callArgs)))
            seen[decision.effect] += 1
          }
        },
      ),
      { numRuns: cases(400) },
    )
    // Each effect was met often enough for the comparison to mean something.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(10)
  })
})
