import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { crc32 } from 'node:zlib'

/** A pure Python package of one version. */
export interface TestWheel {
  readonly name: string
  readonly version: string
  /** Text of its only module, which has a function `main`. */
  readonly module: string
  /** Its console scripts; its own name unless told. */
  readonly commands?: readonly string[]
}

/** An index of Python packages on loopback (PEP 503). */
export interface PythonIndex {
  readonly url: string
  /** Paths that were asked for. */
  readonly journal: readonly string[]
  publish(wheel: TestWheel): void
  /** From here on the wheel is another one, under the hash that was published. */
  swap(wheel: TestWheel): void
  close(): Promise<void>
}

/** Without uv its tests are skipped, and say so. */
export function hasUv(): boolean {
  const found = spawnSync('uv', ['--version']).status === 0
  if (!found) console.warn('SKIPPED: tests of servers given as uvx need `uv` on the PATH (`pip install uv`)')
  return found
}

export async function startPythonIndex(): Promise<PythonIndex> {
  const published: { readonly name: string; readonly file: string; readonly hash: string; bytes: Buffer }[] = []
  const journal: string[] = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://index').pathname)
    journal.push(path)
    const wheel = published.find(({ file }) => path === `/files/${file}`)
    if (wheel !== undefined) return void response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(wheel.bytes)
    const files = published.filter(({ name }) => path === `/${name}/`)
    const links = files.map(({ file, hash }) => `<a href="/files/${file}#sha256=${hash}">${file}</a>`).join('\n')
    response.writeHead(files.length === 0 ? 404 : 200, { 'content-type': 'text/html', 'cache-control': 'max-age=600' }).end(links)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    journal,
    publish(wheel) {
      const bytes = pack(wheel)
      published.push({ name: wheel.name, file: fileName(wheel), hash: sha256(bytes, 'hex'), bytes })
    },
    swap(wheel) {
      const old = published.find(({ file }) => file === fileName(wheel))
      if (old === undefined) throw new Error(`${wheel.name} ${wheel.version} was not published`)
      old.bytes = pack(wheel)
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function moduleName({ name }: TestWheel): string {
  return name.replaceAll('-', '_')
}

function fileName(wheel: TestWheel): string {
  return `${moduleName(wheel)}-${wheel.version}-py3-none-any.whl`
}

function sha256(bytes: Buffer, encoding: 'hex' | 'base64url'): string {
  return createHash('sha256').update(bytes).digest(encoding)
}

/** A wheel is a zip with a list of its files and their hashes. */
function pack(wheel: TestWheel): Buffer {
  const info = `${moduleName(wheel)}-${wheel.version}.dist-info`
  const scripts = (wheel.commands ?? [wheel.name]).map((command) => `${command} = ${moduleName(wheel)}:main\n`).join('')
  const files = {
    [`${moduleName(wheel)}.py`]: wheel.module,
    [`${info}/METADATA`]: `Metadata-Version: 2.1\nName: ${wheel.name}\nVersion: ${wheel.version}\n`,
    [`${info}/WHEEL`]: 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    [`${info}/entry_points.txt`]: `[console_scripts]\n${scripts}`,
  }
  const rows = Object.entries(files).map(
    ([path, text]) => `${path},sha256=${sha256(Buffer.from(text), 'base64url')},${Buffer.byteLength(text)}\n`,
  )
  return zip({ ...files, [`${info}/RECORD`]: `${rows.join('')}${info}/RECORD,,\n` })
}

/** An archive of stored (not compressed) files. */
function zip(files: Readonly<Record<string, string>>): Buffer {
  const locals: Buffer[] = []
  const centrals: Buffer[] = []
  let offset = 0
  for (const [path, text] of Object.entries(files)) {
    const [name, bytes] = [Buffer.from(path), Buffer.from(text)]
    // Version 2.0, no flags, stored, 1980-01-01 00:00, CRC, sizes, length of the name, no extra field.
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(0x21, 8)
    common.writeUInt32LE(crc32(bytes), 10)
    common.writeUInt32LE(bytes.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(name.length, 22)
    // No comment, disk 0, plain attributes, where its local header stands.
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE(0o100644 * 0x10000, 6)
    rest.writeUInt32LE(offset, 10)
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, name, bytes])
    // Made by version 2.0 on Unix.
    centrals.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x03'), common, rest, name]))
    locals.push(local)
    offset += local.length
  }
  const end = Buffer.alloc(18)
  end.writeUInt16LE(centrals.length, 4)
  end.writeUInt16LE(centrals.length, 6)
  end.writeUInt32LE(Buffer.concat(centrals).length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...locals, ...centrals, Buffer.from('PK\x05\x06'), end])
}
