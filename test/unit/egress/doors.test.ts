import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LaneNetwork } from '../../../src/egress/types.ts'
import { type Bench, call, placeholder, shareBench, token } from './support.ts'

let bench: Bench
shareBench((made) => {
  bench = made
})

describe('the doors of a lane in a sandbox', () => {
  let folder: string
  let lane: LaneNetwork

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'jit-doors-'))
    lane = await bench.lane({
      doors: folder,
      origins: new Set(['https://api.test', 'https://other.test:8443', 'https://10.0.0.1:9000', 'http://plain.test:8080']),
    })
  })
  afterEach(() => {
    lane.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const door = (port: number): string => lane.doors.find((found) => found.port === port)?.socket ?? ''

  it('are the proxy’s port and each port of an upstream that has a name, and go with the lane', () => {
    const ports = lane.doors.map(({ port }) => port).sort((a, b) => a - b)
    expect(ports).toEqual([443, 8443, Number(new URL(lane.proxyUrl).port)].sort((a, b) => a - b))
    expect(readdirSync(folder).sort()).toEqual(lane.doors.map(({ socket }) => basename(socket)).sort())
    lane.close()
    expect(readdirSync(folder)).toEqual([])
  })

  it('lead a client that names its host to that host, with the credential of the call in flight', async () => {
    const end = lane.begin(call(['GET /repos/acme/web']))
    const answer = await ask(
      'api.test',
      443,
      `GET /repos/acme/web HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer ${placeholder}\r\n\r\n`,
    )
    end()
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(bench.upstream.journal.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${token}`])
  })

  it.each([
    {
      what: 'a host that no rule names',
      host: 'evil.test',
      port: 443,
      reason: 'the host is not among those that this server’s rules name',
    },
    {
      what: 'a host on another port than its own',
      host: 'api.test',
      port: 8443,
      reason: 'the host is not among those that this server’s rules name',
    },
    { what: 'no host', host: '', port: 443, reason: 'a TLS handshake that names no host' },
  ])('refuse a handshake with $what, and record it', async ({ host, port, reason }) => {
    await expect(ask(host, port, 'GET / HTTP/1.1\r\n\r\n')).rejects.toThrow()
    await expect.poll(() => bench.refusals()).toEqual([reason])
    expect(bench.upstream.journal).toEqual([])
  })

  it('refuse a request for another host than the handshake named', async () => {
    const answer = await ask('api.test', 443, `GET /repos/acme/web HTTP/1.1\r\nHost: other.test\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 421 /)
    expect(bench.upstream.journal).toEqual([])
  })

  it('refuse what is no TLS', async () => {
    const socket = connect(door(443))
    socket.write('GET / HTTP/1.1\r\nHost: api.test\r\n\r\n')
    await new Promise((resolve) => socket.once('close', resolve).resume())
    expect(bench.refusals()).toEqual(['a tunnel that carries no TLS'])
  })

  it('take this lane’s nonce at the proxy, and no other', async () => {
    const other = await bench.lane()
    const knock = async ({ proxyUrl }: LaneNetwork): Promise<string> => {
      const { username, password } = new URL(proxyUrl)
      const socket = connect(door(Number(new URL(lane.proxyUrl).port)))
      const credentials = Buffer.from(`${username}:${password}`).toString('base64')
      socket.write(`CONNECT api.test:443 HTTP/1.1\r\nHost: api.test:443\r\nProxy-Authorization: Basic ${credentials}\r\n\r\n`)
      const head = await new Promise<Buffer>((resolve) => socket.once('data', resolve))
      socket.destroy()
      return head.toString('latin1').slice(0, 12)
    }
    expect(await knock(lane)).toBe('HTTP/1.1 200')
    expect(await knock(other)).toBe('HTTP/1.1 407')
  })

  it('are not there without a folder for them', async () => {
    expect((await bench.lane()).doors).toEqual([])
  })

  function ask(host: string, port: number, request: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const raw = connect(door(port))
      const socket = connectTls({
        socket: raw,
        ...(host === '' ? {} : { servername: host }),
        ca: [readFileSync(lane.caFile)],
        checkServerIdentity: () => undefined,
      })
      socket.once('error', reject).once('secureConnect', () => socket.write(request))
      socket.once('data', (part: Buffer) => {
        resolve(part.toString('latin1'))
        socket.destroy()
      })
      socket.once('close', () => reject(new Error('closed')))
    })
  }
})
