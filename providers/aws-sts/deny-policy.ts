import { z } from 'zod'
import { JitError, type JsonObject, type ProviderHost } from '../../src/provider/index.ts'
import type { Base } from './base.ts'
import { type AwsConfig, roleOf } from './config.ts'
import { createIam } from './iam.ts'

/** The inline policy that jit keeps on the role, and nobody else writes. */
export const policyName = 'jit-revoked'
/** IAM: all inline policies of a role together, in characters. */
const room = 10_240
/** Sessions that end within the same hour share a statement, so that there are few of them. */
const hour = 3_600_000
/** A session is denied so much longer than it lives, for clocks that differ. */
const margin = 300_000

const document = z.object({ Statement: z.array(z.record(z.string(), z.json())) })
const ourStatement = z.object({
  Sid: z.string().regex(/^Until\d{10}$/),
  Condition: z.object({ StringEquals: z.object({ 'aws:userid': z.union([z.string(), z.array(z.string())]) }) }),
})

export interface DenyPolicy {
  /** Resolves when IAM has taken a policy that denies this user id until `until`. Throws JitErrors of the provider contract. */
  deny(userId: string, until: number, signal: AbortSignal): Promise<void>
}

/**
 * Keeps the policy: one write at a time, since IAM replaces it whole; a write takes along all that wait. What was written is
 * remembered too, as IAM may answer for some seconds with what was there before.
 */
export function createDenyPolicy(config: AwsConfig, host: ProviderHost, base: Base): DenyPolicy {
  const iam = createIam(config, host, base)
  const role = { RoleName: roleOf(config).name, PolicyName: policyName }
  const waiting = new Map<string, number>()
  const written = new Map<string, number>()
  let turn: Promise<void> = Promise.resolve()

  const write = async (signal: AbortSignal): Promise<void> => {
    const taken = new Map(waiting)
    const before = readPolicy(await iam.readRolePolicy(role, signal))
    const alive = (until: number): boolean => until + margin > host.clock.now()
    const denied = new Map([...before.denied, ...written, ...taken].filter(([, until]) => alive(until)))
    await iam.writeRolePolicy(role, printPolicy(before.foreign, denied), signal)
    written.clear()
    for (const [userId, until] of denied) written.set(userId, until)
    for (const userId of taken.keys()) waiting.delete(userId)
  }
  return {
    deny(userId, until, signal) {
      waiting.set(userId, until)
      const mine = turn.then(() => (waiting.has(userId) ? write(signal) : undefined))
      turn = mine.catch(() => undefined)
      return mine
    },
  }
}

/** What the policy says: who is denied until when, and statements that are not jit's, which stay. */
function readPolicy(text: string | undefined): { denied: Map<string, number>; foreign: JsonObject[] } {
  const denied = new Map<string, number>()
  const foreign: JsonObject[] = []
  for (const statement of text === undefined ? [] : parseDocument(text)) {
    const ours = ourStatement.safeParse(statement)
    if (!ours.success) {
      foreign.push(statement)
      continue
    }
    const until = Number(ours.data.Sid.slice('Until'.length)) * 1000
    for (const userId of [ours.data.Condition.StringEquals['aws:userid']].flat()) denied.set(userId, until)
  }
  return { denied, foreign }
}

function parseDocument(text: string): JsonObject[] {
  try {
    return document.parse(JSON.parse(text)).Statement
  } catch {
    throw new JitError('provider.refused', `the policy ${policyName} on the role is not as jit wrote it, so it is left alone`, {
      hint: `Remove the inline policy ${policyName} from the role; jit writes it anew.`,
    })
  }
}

function printPolicy(foreign: readonly JsonObject[], denied: ReadonlyMap<string, number>): string {
  const groups = new Map<number, string[]>()
  for (const [userId, until] of denied) {
    const end = Math.ceil(until / hour) * (hour / 1000)
    groups.set(end, [...(groups.get(end) ?? []), userId])
  }
  const statements = Array.from(groups, ([end, userIds]) => ({
    Sid: `Until${end}`,
    Effect: 'Deny',
    Action: '*',
    Resource: '*',
    Condition: { StringEquals: { 'aws:userid': userIds.sort() } },
  }))
  const text = JSON.stringify({ Version: '2012-10-17', Statement: [...foreign, ...statements] })
  if (text.length > room) {
    throw new JitError('provider.refused', `the policy ${policyName} would have ${text.length} characters; IAM takes ${room} on one role`, {
      hint: 'Too many sessions were revoked within the hours that they live. Take the role’s permissions away instead, or wait until some of them have ended.',
    })
  }
  return text
}
