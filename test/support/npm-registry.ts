import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A registry of npm on the loopback: what is published here is what `npm install` gets. */
export interface NpmRegistry {
  readonly url: string
  /** What npm must be told, as environment variables. */
  readonly environment: Readonly<Record<string, string>>
  /** Tarballs that were fetched. */
  readonly fetched: string[]
  publish(name: string, version: string, files: Readonly<Record<string, string>>): void
  close(): Promise<void>
}

export async function startNpmRegistry(): Promise<NpmRegistry> {
  const folder = mkdtempSync(join(tmpdir(), 'jit-registry-'))
  const versions = new Map<string, Map<string, { tarball: Buffer; manifest: object }>>()
  const fetched: string[] = []
  const server = createServer((request, response) => {
    const [, name = '', tarball] = /^\/([^/]+)(?:\/-\/(.+)\.tgz)?$/.exec(decodeURIComponent(request.url ?? '')) ?? []
    const known = versions.get(name)
    if (known === undefined) return void response.writeHead(404).end('{}')
    if (tarball === undefined) {
      const body = {
        name,
        'dist-tags': { latest: [...known.keys()].at(-1) },
        versions: Object.fromEntries([...known].map(([version, { manifest }]) => [version, manifest])),
      }
      return void response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
    }
    fetched.push(tarball)
    response.end(known.get(tarball.slice(name.length + 1))?.tarball)
  })
  await new Promise<void>((settle) => server.listen(0, '127.0.0.1', settle))
  const { port } = server.address() as AddressInfo
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    environment: {
      npm_config_registry: `${url}/`,
      npm_config_cache: join(folder, 'cache'),
      npm_config_update_notifier: 'false',
      npm_config_fetch_retries: '0',
    },
    fetched,
    publish(name, version, files) {
      const source = mkdtempSync(join(folder, 'source-'))
      const manifest = { name, version, bin: { [name]: 'main.js' } }
      for (const [path, text] of Object.entries({ 'package.json': JSON.stringify(manifest), ...files })) {
        mkdirSync(dirname(join(source, 'package', path)), { recursive: true })
        writeFileSync(join(source, 'package', path), text, { mode: 0o755 })
      }
      const packed = spawnSync('tar', ['-czf', 'out.tgz', 'package'], { cwd: source, encoding: 'utf8' })
      if (packed.status !== 0) throw new Error(packed.stderr)
      const tarball = readFileSync(join(source, 'out.tgz'))
      const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
      const dist = { tarball: `${url}/${name}/-/${name}-${version}.tgz`, integrity }
      const known = versions.get(name) ?? new Map<string, { tarball: Buffer; manifest: object }>()
      versions.set(name, known.set(version, { tarball, manifest: { ...manifest, dist } }))
    },
    async close() {
      server.closeAllConnections()
      await new Promise((settle) => server.close(settle))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
