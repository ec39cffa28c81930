import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { root } from '../support/command.ts'

const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const shim = readdirSync(join(root, 'src/shim'))
const loaded = new Set(
  shim.flatMap((file) => [...read(`src/shim/${file}`).matchAll(/from '\.\.\/(api\/[^']+)'/g)].map(([, path]) => `src/${path}`)),
)

describe('what is installed', () => {
  it('holds every file that the shim loads beside its own: in the package, and in the image', () => {
    const { files } = z.object({ files: z.array(z.string()) }).parse(JSON.parse(read('package.json')))
    const copied = read('Dockerfile')
      .split('\n')
      .filter((line) => line.startsWith('COPY '))
      .join(' ')
    expect(loaded.size).toBeGreaterThan(1)
    expect(files).toEqual(expect.arrayContaining(['dist', 'src/shim', 'config', ...loaded]))
    for (const file of ['src/shim', ...loaded]) expect(copied).toContain(` ${file} `)
  })
})
