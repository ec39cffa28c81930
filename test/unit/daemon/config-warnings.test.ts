import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import type { LoadedConfig } from '../../../src/config/types.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { warningsOf } from '../../../src/daemon/config-warnings.ts'
import type { Machine } from '../../../src/sandbox/machine.ts'
import { createSandbox } from '../../../src/sandbox/sandbox.ts'
import type { Sandbox } from '../../../src/sandbox/types.ts'

const able: Machine = { kind: 'bubblewrap', bubblewrap: { file: '/usr/bin/bwrap', setpriv: '/usr/bin/setpriv' } }
const unable: Machine = { kind: 'none', reason: 'bubblewrap is not installed', advice: 'Install it.' }

const text = `version: 1
servers:
  good: { run: [server], writable: [notes] }
  bad:
    run: [server]
    readable: [notes]
    writable:
      - other
      - gone
  off: { run: [server], sandbox: off, writable: [gone] }
  remote: { url: "https://mcp.test/" }
`

/** A sandbox by a config in force that has no servers. */
function opened(machine: Machine): { sandbox: Sandbox; loaded: LoadedConfig } {
  const folder = mkdtempSync(join(tmpdir(), 'jit-warnings-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['notes', 'other']) mkdirSync(join(folder, name))
  const load = (content: string): LoadedConfig => loadConfig('jit.yaml', content, { kinds: new Map(), presets: () => undefined })
  const sandbox = createSandbox({
    folder: join(folder, 'box'),
    places: { home: folder, hidden: [], fixed: [] },
    baseFolder: folder,
    clock: systemClock,
    config: () => load('version: 1\n').config,
    machine: async () => machine,
  })
  return { sandbox, loaded: load(text) }
}

describe('a config that is good, and with which a server does not start', () => {
  it('is told with the line of what is not there', async () => {
    const { sandbox, loaded } = opened(able)
    expect(await warningsOf(sandbox, loaded)).toEqual([
      {
        file: 'jit.yaml',
        line: 9,
        column: 9,
        path: 'servers.bad.writable[1]',
        message: 'the server does not start: the sandbox of server "bad" cannot show "gone": it is not there',
      },
    ])
  })

  it('is not where the machine has no sandbox: nothing has to be shown then', async () => {
    const { sandbox, loaded } = opened(unable)
    expect(await warningsOf(sandbox, loaded)).toEqual([])
  })
})
