import type { SandboxView } from '../../api/schema.ts'
import type { Cell } from './layout.ts'
import { colours } from './terminal.ts'
import { plain } from './text.ts'

/** One word for a table. */
export function sandboxWord({ used, network, kind }: SandboxView): Cell {
  if (used) return network === 'broker' ? 'yes' : { text: 'files only', paint: colours.yellow }
  return kind === 'remote' ? '-' : { text: 'no', paint: colours.yellow }
}

/** For each server that runs without one: why, and what that means. Empty when there is none. */
export function sandboxNotes(servers: readonly { readonly name: string; readonly sandbox: SandboxView }[]): string {
  const without = new Map<string, { names: string[]; used: boolean; advice: string }>()
  for (const { name, sandbox } of servers) {
    if (sandboxWord(sandbox) === 'yes' || sandboxWord(sandbox) === '-') continue
    const known = without.get(sandbox.reason) ?? { names: [], used: sandbox.used, advice: sandbox.advice }
    known.names.push(name)
    without.set(sandbox.reason, known)
  }
  const meaning = 'can read your files and use the network by itself'
  return [...without]
    .map(([reason, { names, used, advice }]) => {
      const found = used ? reason : `no sandbox: ${reason}; ${names.length === 1 ? 'it' : 'each'} ${meaning}`
      return `${colours.yellow('!')} ${plain(names.join(', '))}: ${plain(`${found}. ${advice}`.trim())}`
    })
    .join('\n')
}
