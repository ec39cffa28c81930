import { execFile } from 'node:child_process'
import { z } from 'zod'
import { programFile } from '../shim/launch.js'
import { reviveError } from './client.ts'
import { colours } from './output/terminal.ts'
import { count, plain } from './output/text.ts'

const recoveredView = z.object({
  damaged: z.string(),
  secrets: z.number(),
  leases: z.number(),
  toRevoke: z.number(),
  children: z.number(),
  lost: z.array(z.string()),
})
export type RecoveredView = z.infer<typeof recoveredView>

/** In a process of its own: the command line holds no code that reads the store. Throws what that says. */
export async function recoverStore(): Promise<RecoveredView> {
  const said = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, ['--no-warnings', programFile('daemon/recover-main')], { maxBuffer: 64 * 1024 * 1024 }, (error, stdout) => {
      if (stdout === '' && error !== null) reject(error)
      else resolve(stdout)
    })
  })
  const answer: unknown = JSON.parse(said)
  const recovered = recoveredView.safeParse(answer)
  if (recovered.success) return recovered.data
  throw reviveError(answer)
}

export function recoveredText({ damaged, secrets, leases, toRevoke, children, lost }: RecoveredView): string {
  const none = lost.length === 0
  return [
    `${colours.green('✓')} a new store has ${count(secrets, 'sealed secret')}, ${count(leases, 'lease')} and ${children} child processes of the last daemon`,
    `${none ? colours.green('✓') : colours.yellow('!')} lost: ${none ? 'nothing that could be noticed' : ''}`.trimEnd(),
    ...lost.map((what) => `  - ${plain(what)}`),
    `  The damaged store is kept as it was: ${plain(damaged)}`,
    '',
    'Everything is denied from here on, as after `jit lock`:',
    `  1. \`jit leases\` starts the daemon, which revokes ${toRevoke === 1 ? 'the lease that may be alive' : `the ${toRevoke} leases that may be alive`}; run again, it lists what is left`,
    '  2. `jit audit verify` proves the trail',
    '  3. `jit config apply` and `jit providers` show what is in force',
    '  4. `jit unlock` lets calls through again',
  ].join('\n')
}
