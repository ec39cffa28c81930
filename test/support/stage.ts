import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { acmeFixture } from '../../providers/github-app/fake/fixture.ts'
import { type GithubStandIn, startGithub } from '../../providers/github-app/fake/github.ts'
import { openAgent } from './agent.ts'
import { createTestAuthority } from './certificates.ts'
import { runJit } from './command.ts'

/** A home of its own, GitHub's stand-in, and a client per server: all that the steps act on. */
export interface Stage {
  readonly home: string
  readonly keyFile: string
  readonly appId: number
  readonly github: GithubStandIn
  /** The SDK's own client over `jit connect <server>`; the same one at every call. */
  client(server: string): Promise<Client>
  close(): Promise<void>
}

export interface StageOptions {
  readonly tokenFormat?: 'classic' | 'stateless'
  /** The folder to make the home in; the system's for temporary files when absent. */
  readonly within?: string
  /** What the App may do beside what every test needs. */
  readonly permissions?: Readonly<Record<string, string>>
}

export async function openStage({ within = tmpdir(), permissions = {}, ...options }: StageOptions = {}): Promise<Stage> {
  const home = mkdtempSync(join(within, 'jit-demo-'))
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const keyFile = join(home, 'app.private-key.pem')
  writeFileSync(keyFile, privateKey.export({ type: 'pkcs1', format: 'pem' }), { mode: 0o600 })
  const authority = await createTestAuthority(['api.github.com'])
  const fixture = acmeFixture({ publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(), more: permissions })
  const github = await startGithub({ ...fixture, ...options, tls: { key: authority.key, cert: authority.cert } })
  writeFileSync(join(home, 'stand-in-ca.pem'), authority.ca)
  writeFileSync(
    join(home, 'jit.yaml'),
    ['version: 1', 'network:', `  hosts: { api.github.com: "127.0.0.1:${github.port}" }`, '  ca: [stand-in-ca.pem]', ''].join('\n'),
    { mode: 0o600 },
  )
  const clients = new Map<string, Promise<Client>>()
  return {
    home,
    keyFile,
    appId: fixture.apps[0]?.appId ?? 0,
    github,
    client(server) {
      const known = clients.get(server) ?? openAgent(home, server, 'demo-client')
      clients.set(server, known)
      return known
    },
    async close() {
      for (const client of clients.values()) await (await client).close().catch(() => undefined)
      await runJit(home, ['stop'])
      await github.close()
      rmSync(home, { recursive: true, force: true })
    },
  }
}
