import { dialled } from '../api/schema.ts'
import { JitError } from '../core/errors.ts'
import { type Dialled, hostsLine } from '../core/local-address.ts'
import { isInteractive, note } from './output/terminal.ts'
import { plain } from './output/text.ts'

/** Puts a question to a person, after what they should know; true is a yes. */
export type Ask = (about: string, question: string) => Promise<boolean>

/** Undefined where nobody is there to be asked. */
export function askerAtTerminal(json: boolean): Ask | undefined {
  if (json || !isInteractive()) return undefined
  return async (about, question) => {
    note(about)
    const prompts = await import('@inquirer/prompts')
    return prompts.confirm({ message: question, default: false }, { output: process.stderr })
  }
}

/**
 * A server on this machine is reached only where `network.hosts` names it. Answers the entry when a person has agreed to just that;
 * else throws the error again, which says what to write.
 */
export async function agreeToDial(error: unknown, ask: Ask | undefined): Promise<Dialled> {
  const needed = error instanceof JitError ? dialled.safeParse(error.details['dial']).data : undefined
  if (needed === undefined || ask === undefined) throw error
  if (await ask(aboutDialling(needed), `Let jit dial ${plain(needed.name)}?`)) return needed
  throw new JitError('cancelled', 'nothing was added', { hint: 'What may be dialled stays as it is.' })
}

function aboutDialling(needed: Dialled): string {
  return `${plain(needed.name)} is on this machine. jit connects to nothing here that the config does not name: programs that listen here often ask for no password. With your yes the config file gets \`${plain(hostsLine(needed))}\`. From then on a rule of any server behind jit may name it; that alone gives no other server access.`
}
