import { z } from 'zod'
import { JitError, quote } from '../../src/provider/index.ts'
import type { VaultAnswer, VaultRequest, VaultSend } from './client.ts'

const health = z.object({
  initialized: z.boolean().optional(),
  sealed: z.boolean().optional(),
  standby: z.boolean().optional(),
  performance_standby: z.boolean().optional(),
  replication_dr_mode: z.string().optional(),
})

/** What an answer that is no success means. `name`: of the provider in the config. */
export async function explain(
  answer: VaultAnswer,
  request: VaultRequest,
  { name, send }: { readonly name: string; readonly send: VaultSend },
  signal: AbortSignal,
): Promise<JitError> {
  const { status, retryAfter } = answer
  const route = `${request.method} ${request.path.join('/')}`
  const said = answer.said === '' ? '' : `: ${quote(answer.said)}`
  if (status === 429) {
    return new JitError('provider.unavailable', `Vault limits the rate of requests${said}`, {
      details: { status, retryAfter: retryAfter ?? 1000, sent: false },
    })
  }
  if (status === 412) {
    return new JitError('provider.unavailable', `the performance standby at the address of provider ${name} is behind the active node`, {
      hint: 'Set `address` to the active node, or to a load balancer that prefers it.',
      details: { status, sent: false },
    })
  }
  if (status >= 300 && status < 400) {
    return new JitError('provider.unavailable', `Vault answered ${status} to ${route}: a standby that sends its clients elsewhere`, {
      hint: `Set \`address\` of provider ${name} to the active node or to a load balancer: jit follows no redirect with a token.`,
      details: { status, sent: false },
    })
  }
  if (status < 400 || status >= 500) {
    const state = await stateOf(send, signal)
    return new JitError('provider.unavailable', `Vault answered ${status} to ${route}${state?.words ?? ''}${said}`, {
      ...(state === undefined ? {} : { hint: state.hint(name) }),
      details: { status },
    })
  }
  if (status === 401) {
    return new JitError('provider.login', `Vault answered 401 to ${route}${said}`, { details: { status } })
  }
  return new JitError('provider.refused', `Vault answered ${status} to ${route}${said}`, {
    hint: hintFor(answer, request),
    details: { status },
  })
}

/** Why a node answers no request, by its own word; undefined when it is well or says nothing. Needs no token. */
async function stateOf(send: VaultSend, signal: AbortSignal): Promise<{ words: string; hint: (name: string) => string } | undefined> {
  const answer = await send({ method: 'GET', path: ['sys', 'health'] }, signal).catch(() => undefined)
  const parsed = health.safeParse(answer?.body)
  if (!parsed.success) return undefined
  const { initialized, sealed, standby, performance_standby: performance, replication_dr_mode: recovery } = parsed.data
  if (initialized === false) return { words: ' (it is not initialised)', hint: () => 'Initialise it: `vault operator init`.' }
  if (sealed === true) return { words: ' (it is sealed)', hint: () => 'Unseal it: `vault operator unseal`. Nothing was minted.' }
  const other = (name: string): string => `Set \`address\` of provider ${name} to the active node or to a load balancer.`
  if (recovery === 'secondary') return { words: ' (it is a standby for disaster recovery)', hint: other }
  if (standby !== true) return undefined
  return { words: performance === true ? ' (it is a performance standby)' : ' (it is a standby without an active node)', hint: other }
}

function hintFor({ status, said }: VaultAnswer, { path }: VaultRequest): string {
  const [first, second, third] = path
  if (first === 'auth' && third === 'create' && /batch token/i.test(said)) return 'Set token_type=service on the token role.'
  if (first === 'auth' && third === 'create')
    return status === 403
      ? `The broker's own policy needs update on ${path.join('/')}.`
      : 'The token role must allow these policies: see allowed_policies and allowed_policies_glob.'
  if (first === 'sys' && second === 'policies')
    return "The broker's own policy needs create, update and delete on sys/policies/acl/jit-lease_*."
  if (first === 'sys' && second === 'leases' && status === 400)
    return 'The engine could not remove what it made (a user that owns something?); Vault tries again at the end of the lease.'
  return `The broker's own policy needs access to ${path.join('/')}, and the role must exist.`
}
