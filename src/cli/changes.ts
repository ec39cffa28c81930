import type { ApplyView } from '../api/schema.ts'
import { JitError } from '../core/errors.ts'
import { table } from './output/layout.ts'
import { colours, isInteractive } from './output/terminal.ts'
import { count } from './output/text.ts'

/** What gets narrower harms nobody; what gets wider takes a person's yes. */
export async function confirmWider({ changes }: ApplyView, question: string): Promise<void> {
  const wider = changes.filter((change) => change.effect === 'wider').length
  if (wider === 0) return
  if (!isInteractive())
    throw new JitError('usage', `${count(wider, 'change')} would make something wider, and there is nobody to ask`, {
      hint: 'Look at them, then give --yes.',
    })
  const prompts = await import('@inquirer/prompts')
  const yes = await prompts.confirm(
    { message: `${count(wider, 'change')} would make something wider. ${question}`, default: false },
    { output: process.stderr },
  )
  if (!yes) throw new JitError('cancelled', 'nothing was applied', { hint: 'The config in force goes on as it is.' })
}

export function changeTable({ changes }: ApplyView): string {
  const paints = { wider: colours.red, narrower: colours.green, other: colours.dim }
  const order = { wider: 0, narrower: 1, other: 2 }
  const sorted = [...changes].sort((left, right) => order[left.effect] - order[right.effect])
  return table(
    ['what', 'effect', 'change'],
    sorted.map(({ path, effect, before, after }) => [path, { text: effect, paint: paints[effect] }, changeText(before, after)]),
  )
}

/** An item that came or went says so: `(none) → web` would read as if no other stood there. */
export function changeText(before: string, after: string): string {
  if (before === '') return `added: ${after}`
  return after === '' ? `removed: ${before}` : `${before} → ${after}`
}
