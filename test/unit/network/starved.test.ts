import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { root } from '../../support/command.ts'

it('a process without descriptors fails to dial and to start servers with words for it, and lives on', async () => {
  const script = join(root, 'test/support/starved.ts')
  const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n 128 && exec "$0" "$@"', process.execPath, '--no-warnings', script])
  const { held, failures, uncaught } = JSON.parse(stdout)
  expect(held).toBeGreaterThan(0)
  expect(failures).toEqual([
    expect.stringMatching(/^egress\.upstream: .*EMFILE/),
    expect.stringMatching(/^egress\.upstream: /),
    expect.stringMatching(/^server\.start: .*descriptors/),
    expect.stringMatching(/^server\.start: .*descriptors/),
  ])
  expect(uncaught).toEqual([])
})
