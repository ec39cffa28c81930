import type { ApplyView } from '../api/schema.ts'
import { JitError } from '../core/errors.ts'
import { table } from './output/layout.ts'
import { colours, isInteractive } from './output/terminal.ts'
import { count, plain } from './output/text.ts'

/** Characters of a change that is named in the question itself. */
const shortest = 60

/** What gets narrower harms nobody; what gets wider takes a person's yes. */
export async function confirmWider({ changes }: ApplyView, question: string): Promise<void> {
  const wider = changes.filter((change) => change.effect === 'wider')
  if (wider.length === 0) return
  if (!isInteractive())
    throw new JitError('usage', `${count(wider.length, 'change')} would make something wider, and there is nobody to ask`, {
      hint: 'Look at them, then give --yes.',
    })
  const prompts = await import('@inquirer/prompts')
  const yes = await prompts.confirm(
    { message: `${count(wider.length, 'change')} would make something wider: ${inShort(wider)}. ${question}`, default: false },
    { output: process.stderr },
  )
  if (!yes) throw new JitError('cancelled', 'nothing was applied', { hint: 'The config in force goes on as it is.' })
}

/** Where things get wider, in few lines whatever they are: a long table scrolls its own beginning off the screen. */
export function inShort(wider: ApplyView['changes']): string {
  const places = Map.groupBy(wider, ({ path }) => path)
  return [...places]
    .map(([path, [first, ...more]]) => {
      const after = first?.after ?? ''
      const one = more.length === 0 && after !== '' && after.length <= shortest
      return plain(`${path} (${one ? after : count(more.length + 1, 'change')})`)
    })
    .join(', ')
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
