import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { discard } from '../../../src/core/discard.ts'

function folderWithFiles(): string {
  const folder = mkdtempSync(join(tmpdir(), 'jit-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'in'))
  writeFileSync(join(folder, 'in/file'), 'x')
  return folder
}

it('removes a folder and all in it, and is content where there is none', () => {
  const folder = folderWithFiles()
  for (const _ of [1, 2]) discard(folder)
  expect(existsSync(folder)).toBe(false)
})

it('leaves what cannot be removed for want of descriptors, and throws nothing', () => {
  const folder = folderWithFiles()
  const module = join(import.meta.dirname, '../../../src/core/discard.ts')
  const script = `
    const { openSync, rmSync } = await import('node:fs')
    const { discard } = await import(${JSON.stringify(module)})
    try { for (;;) openSync('/dev/null') } catch {}
    try { rmSync(${JSON.stringify(folder)}, { recursive: true }); process.stdout.write('removed') } catch { process.stdout.write('refused') }
    discard(${JSON.stringify(folder)})
    process.stdout.write(', and it lives')`
  const said = execFileSync('sh', ['-c', 'ulimit -n 64 && exec "$0" --input-type=module -e "$1"', process.execPath, script], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  expect(said).toBe('refused, and it lives')
  expect(existsSync(folder)).toBe(true)
})
