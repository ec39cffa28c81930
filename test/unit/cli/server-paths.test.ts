import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { pathNotes } from '../../../src/cli/server-paths.ts'

const folder = mkdtempSync(join(tmpdir(), 'jit-paths-'))
const file = join(folder, 'server.js')
writeFileSync(file, '')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const tools = [
  { name: 'read', description: '', readOnly: true },
  { name: 'write', description: '', readOnly: false },
]
const view = (run: string[], used = true) => ({
  name: 'notes',
  run,
  sandbox: { used, kind: 'bubblewrap', network: 'broker', reason: '', advice: '' } as const,
})

describe('the paths that the command of a server names', () => {
  it('are said to be read-only in its sandbox, with what to write, where a tool was chosen that may write', () => {
    const [note = '', ...others] = pathNotes(view(['npx', '-y', 'notes', folder, file]), ['read', 'write'], { tools })
    expect(others).toEqual([])
    expect(note).toContain(`in its sandbox notes can read ${folder}, but not write there. If write should, add`)
    expect(note).toContain(`\`writable: ["${folder}"]\` below \`servers.notes\``)
  })

  it.each([
    ['only tools were chosen that read', view(['notes', folder]), ['read']],
    ['there is no sandbox', view(['notes', folder], false), ['write']],
    ['it names no folder', view(['node', file, '--verbose']), ['write']],
  ])('need no word where %s', (_, server, chosen) => {
    expect(pathNotes(server, chosen, { tools })).toEqual([])
  })

  it('are named when they are not there and the server did not start', () => {
    const missing = join(folder, 'missing')
    expect(pathNotes(view(['notes', folder, missing]), [], { failure: 'it ended' })).toEqual([`there is no ${missing}`])
    expect(pathNotes(view(['notes', missing]), [], { tools })).toEqual([])
  })
})
