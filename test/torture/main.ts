import { parseArgs } from 'node:util'
import { seededRandom } from '../support/random.ts'
import { connections } from './connections.ts'
import { kills } from './kills.ts'
import { machine } from './machine.ts'
import type { Outcome, Part } from './part.ts'
import { properties } from './properties.ts'
import { soak } from './soak.ts'
import { upstream } from './upstream.ts'

/** `npm run torture`: what a broker of credentials has to live through, bounded, from a seed, with its counts at the end. */
const parts: readonly Part[] = [kills, upstream, machine, connections, properties, soak]

const { values: options } = parseArgs({
  options: {
    size: { type: 'string', default: 'ci' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const size = options.size === 'nightly' ? 'nightly' : 'ci'
const seed = Number(options.seed)
const chosen = parts.filter(({ name }) => options.only === '' || options.only.split(',').includes(name))

if (options.help || chosen.length === 0) {
  console.log('npm run torture -- [--size ci|nightly] [--seed N] [--only PART,…] [--json]\n')
  for (const { name, summary } of parts) console.log(`  ${name.padEnd(12)} ${summary}`)
} else await runAll()

async function runAll(): Promise<void> {
  const say = (line: string): void => console[options.json ? 'error' : 'log'](line)
  say(`size ${size}, seed ${seed}: --seed ${seed} repeats it, as far as several processes can be made to repeat anything\n`)
  const outcomes: Record<string, Outcome> = {}
  for (const part of chosen) {
    say(`${part.name}: ${part.summary}`)
    const outcome = await part.run({ random: seededRandom(seed), seed, size, say: (line) => say(`  ${line}`) })
    outcomes[part.name] = outcome
    for (const line of report(outcome)) say(`  ${line}`)
    say('')
  }
  if (options.json) console.log(JSON.stringify({ size, seed, parts: outcomes }, null, 2))
  const failures = Object.values(outcomes).flatMap((outcome) => outcome.failures)
  const skipped = Object.values(outcomes).flatMap((outcome) => outcome.skipped ?? [])
  say(`${chosen.length} parts, ${failures.length} failures, ${skipped.length} skipped`)
  process.exitCode = failures.length === 0 ? 0 : 1
}

function report({ counts, figures = {}, failures, skipped = [] }: Outcome): string[] {
  return [
    ...Object.entries(counts).map(([name, count]) => `${String(count).padStart(9)} ${name}`),
    ...Object.entries(figures).map(([name, figure]) => `${''.padStart(9)} ${name}: ${figure}`),
    ...skipped.map((why) => `SKIPPED   ${why}`),
    ...failures.map((failure) => `FAILED    ${failure}`),
  ]
}
