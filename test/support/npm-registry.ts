import { createHash } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'

/** A package of one version: what its tarball holds beside package.json. */
export interface TestPackage {
  readonly name: string
  readonly version: string
  /** Path in the package → content; `bin` names the one that is its command. */
  readonly files: Readonly<Record<string, string>>
  readonly bin: string
}

/** An npm registry on loopback: packuments and tarballs of what was published to it. */
export interface NpmRegistry {
  readonly url: string
  /** Paths that were asked for. */
  readonly journal: readonly string[]
  /** The newest one published is `latest`. Answers the tarball's integrity. */
  publish(content: TestPackage): string
  /** From here on the tarball is another one, under the integrity that was published. */
  swap(content: TestPackage): void
  /** From here on tarballs are answered when the returned function was called. */
  hold(): () => void
  close(): Promise<void>
}

interface Published {
  readonly content: TestPackage
  readonly integrity: string
  tarball: Buffer
}

export interface NpmRegistryOptions {
  /** Seconds for which npm may believe a packument; the public registry says 300. */
  readonly maxAge?: number
  /** PEMs of the server; without them it speaks plain HTTP. */
  readonly tls?: { readonly key: string; readonly cert: string }
}

export async function startNpmRegistry({ maxAge = 300, tls }: NpmRegistryOptions = {}): Promise<NpmRegistry> {
  const published: Published[] = []
  let held: Promise<void> | undefined
  const journal: string[] = []
  const answer: RequestListener = (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://registry').pathname).slice(1)
    journal.push(path)
    const tarball = published.find(({ content }) => path === tarballPath(content))?.tarball
    if (tarball !== undefined)
      return void Promise.resolve(held).then(() => response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(tarball))
    const versions = published.filter(({ content }) => content.name === path)
    if (versions.length === 0) return void response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not_found"}')
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': `public, max-age=${maxAge}` })
    response.end(JSON.stringify(packument(url(), path, versions)))
  }
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = (): string => `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const find = ({ name, version }: TestPackage): Published | undefined =>
    published.find(({ content }) => content.name === name && content.version === version)
  return {
    url: url(),
    journal,
    publish(content) {
      const tarball = pack(content)
      const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`
      published.push({ content, integrity, tarball })
      return integrity
    },
    swap(content) {
      const old = find(content)
      if (old === undefined) throw new Error(`${content.name}@${content.version} was not published`)
      old.tarball = pack(content)
    },
    hold() {
      let release: () => void = () => undefined
      held = new Promise((resolve) => (release = resolve))
      return () => {
        held = undefined
        release()
      }
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function packument(url: string, name: string, versions: readonly Published[]): unknown {
  return {
    name,
    'dist-tags': { latest: versions.at(-1)?.content.version },
    versions: Object.fromEntries(
      versions.map(({ content, integrity }) => [
        content.version,
        { ...manifest(content), dist: { integrity, tarball: `${url}${tarballPath(content)}` } },
      ]),
    ),
  }
}

function manifest({ name, version, bin }: TestPackage): { name: string; version: string; type: string; bin: Record<string, string> } {
  return { name, version, type: 'module', bin: { [baseName(name)]: bin } }
}

function tarballPath({ name, version }: TestPackage): string {
  return `${name}/-/${baseName(name)}-${version}.tgz`
}

function baseName(name: string): string {
  return name.slice(name.indexOf('/') + 1)
}

/** A gzipped ustar archive, with every path below `package/`, as npm has it. */
function pack(content: TestPackage): Buffer {
  const files = { 'package.json': JSON.stringify(manifest(content)), ...content.files }
  const parts = Object.entries(files).flatMap(([path, text]) => {
    const bytes = Buffer.from(text)
    return [header(`package/${path}`, bytes.length), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)]
  })
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(1024)]))
}

function header(path: string, size: number): Buffer {
  const block = Buffer.alloc(512)
  const octal = (value: number, width: number): string => `${value.toString(8).padStart(width - 1, '0')}\0`
  block.write(path, 0)
  block.write(octal(0o755, 8), 100)
  block.write(octal(0, 8), 108)
  block.write(octal(0, 8), 116)
  block.write(octal(size, 12), 124)
  block.write(octal(0, 12), 136)
  block.write(' '.repeat(8), 148)
  block.write('0', 156)
  block.write('ustar\x0000', 257)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return block
}
