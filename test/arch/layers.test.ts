import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')

/** Folder → folders of src/ it may import, besides itself. Imports point one way only. */
const layers: Record<string, readonly string[]> = {
  core: [],
  api: ['core'],
  config: ['core'],
  identity: ['core'],
  provider: ['core'],
  store: ['core'],
  audit: ['core'],
  network: ['core', 'config'],
  approval: ['core', 'audit'],
  policy: ['core', 'config'],
  broker: ['core', 'provider', 'store', 'audit'],
  egress: ['core', 'audit', 'broker', 'network'],
  sandbox: ['core', 'config'],
  gateway: ['core', 'api', 'sandbox', 'config', 'policy', 'store', 'broker', 'egress', 'audit', 'approval', 'identity'],
  selfservice: ['core', 'config', 'policy', 'audit', 'gateway'],
  telemetry: ['core', 'audit', 'gateway'],
  daemon: [
    'core',
    'api',
    'config',
    'identity',
    'provider',
    'store',
    'audit',
    'network',
    'approval',
    'policy',
    'broker',
    'egress',
    'sandbox',
    'gateway',
    'selfservice',
    'telemetry',
  ],
  shim: ['api', 'core'],
  cli: ['api', 'core', 'shim'],
  ui: ['api', 'core'],
}

/** The same within src/gateway, whose own files (what all of it shares, and the gateway as a whole) stand beside these folders. */
const gatewayLayers: Record<string, readonly string[]> = {
  protocol: [],
  scrub: ['protocol'],
  inject: [],
  upstream: ['protocol', 'inject'],
  lane: ['protocol', 'inject', 'upstream'],
  call: ['protocol', 'scrub', 'upstream', 'lane'],
  client: ['protocol', 'scrub', 'upstream', 'lane', 'call'],
  http: ['protocol', 'client'],
}

/** `reveal()` turns a Secret into text: only where a credential is put to its use, or matched to be removed. */
const mayReveal = [/^src\/gateway\/inject\//, /^src\/egress\//, /^src\/core\/spellings\.ts$/, /^providers\//]

/** The process's environment and the system's clock have one place each. */
const mayReadTime = [/^src\/core\/clock\.ts$/]

describe('layers', () => {
  const sources = files('src').concat(files('providers'))

  it('finds the sources it is meant to check', () => {
    expect(sources.length).toBeGreaterThan(50)
  })

  it('imports point one way', () => {
    const wrong: string[] = []
    for (const file of sources) {
      for (const target of imports(file)) {
        if (!allowed(file, target)) wrong.push(`${file} → ${target}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('imports within the gateway point one way', () => {
    const wrong: string[] = []
    for (const file of sources) {
      const from = gatewayFolder(file)
      if (from === undefined) continue
      for (const target of imports(file)) {
        const to = gatewayFolder(target)
        if (to !== undefined && to !== from && gatewayLayers[from]?.includes(to) !== true) wrong.push(`${file} → ${target}`)
      }
    }
    expect(wrong).toEqual([])
    expect(new Set(sources.flatMap((file) => gatewayFolder(file) ?? []))).toEqual(new Set(Object.keys(gatewayLayers)))
  })

  it('no file reaches itself by its imports, not by types either', () => {
    const targets = new Map(sources.map((file) => [file, imports(file)]))
    const done = new Set<string>()
    const circles: string[] = []
    const walk = (file: string, path: readonly string[]): void => {
      const start = path.indexOf(file)
      if (start !== -1) return void circles.push([...path.slice(start), file].join(' → '))
      if (done.has(file)) return
      for (const target of targets.get(file) ?? []) walk(target, [...path, file])
      done.add(file)
    }
    for (const file of sources) walk(file, [])
    expect(circles).toEqual([])
  })

  it('every folder of src has its row in the table', () => {
    const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).filter(
      (entry) => entry.isDirectory() && files(`src/${entry.name}`).length > 0,
    )
    for (const folder of folders) expect(layers).toHaveProperty(folder.name)
  })

  it('secrets are revealed only where they are used', () => {
    const wrong = sources.filter(
      (file) => /\.reveal\(\)/.test(code(file)) && !mayReveal.some((pattern) => pattern.test(file)) && !isTest(file),
    )
    expect(wrong).toEqual([])
  })

  it('time comes from Clock in every layer that decides on it', () => {
    const wrong = sources.filter(
      (file) =>
        /\bDate\.now\(|\bnew Date\(\)/.test(code(file)) &&
        /^(src\/(core|policy|broker|gateway|egress|approval|audit|store)|providers)\//.test(file) &&
        !mayReadTime.some((pattern) => pattern.test(file)) &&
        !isTest(file) &&
        !isFake(file),
    )
    expect(wrong).toEqual([])
  })
})

function gatewayFolder(file: string): string | undefined {
  return /^src\/gateway\/([a-z]+)\//.exec(file)?.[1]
}

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|js)$/.test(entry.name) && !entry.name.endsWith('.d.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

function isTest(file: string): boolean {
  return file.endsWith('.test.ts')
}

/** Stand-ins for upstreams: code of tests, which no provider may import. */
function isFake(file: string): boolean {
  return file.includes('/fake/')
}

/** The file without its comments: an import or a call in prose does not count. */
function code(file: string): string {
  return readFileSync(join(root, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '$1')
}

function imports(file: string): string[] {
  const found: string[] = []
  for (const match of code(file).matchAll(/(?:from\s*|import\s*\(?\s*)['"](\.{1,2}\/[^'"]+)['"]/g)) {
    found.push(relative(root, resolve(root, dirname(file), match[1] ?? '')))
  }
  return found
}

function allowed(file: string, target: string): boolean {
  const [top, layer = ''] = file.split('/')
  const [targetTop, targetLayer = ''] = target.split('/')
  if (top === 'providers') {
    if (isFake(target) && !isTest(file) && !isFake(file)) return false
    if (targetTop === 'providers') return layer === 'index.ts' || layer === targetLayer
    if (isTest(file) || isFake(file)) return true
    return target.startsWith('src/provider/')
  }
  if (targetTop === 'providers') return file === 'src/daemon/main.ts' && target === 'providers/index.ts'
  if (targetTop !== 'src') return false
  if (targetLayer === layer) return true
  return layers[layer]?.includes(targetLayer) ?? false
}
