import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { providers } from '../../providers/index.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = join(root, 'providers')
const kinds = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))

describe('providers', () => {
  it('are those that have a folder', () => {
    expect(providers.map(({ kind }) => kind).toSorted()).toEqual(kinds.toSorted())
  })

  it.each(kinds)('%s keeps the shared contract, and says what its identity needs upstream', (kind) => {
    const tests = readdirSync(join(folder, kind)).filter((name) => name.endsWith('.test.ts'))
    expect(tests.some((name) => readFileSync(join(folder, kind, name), 'utf8').includes('describeProviderContract('))).toBe(true)
    for (const name of ['index.ts', 'config.ts', 'README.md']) expect(existsSync(join(folder, kind, name)), name).toBe(true)
    expect(readFileSync(join(folder, kind, 'README.md'), 'utf8')).toMatch(/^## What .* needs (upstream|at|in) ?/m)
  })

  it.each(kinds)('%s stands in the list of kinds and in the help of jit login', (kind) => {
    expect(readFileSync(join(folder, 'README.md'), 'utf8')).toContain(`[\`${kind}\`](${kind}/README.md)`)
    expect(readFileSync(join(root, 'src/cli/commands/login.ts'), 'utf8')).toMatch(new RegExp(`^  ${kind} +(--|[A-Z])`, 'm'))
  })
})
