import { JitError, noAnswer, type ProviderHost, quote, redact } from '../../src/provider/index.ts'
import type { Base, BaseIdentity } from './base.ts'
import { type AwsConfig, roleOf } from './config.ts'
import { type Failure, failureOf } from './failure.ts'

/** Whose request failed, and what it was for. */
export interface Attempt {
  readonly config: AwsConfig
  readonly host: ProviderHost
  readonly base: Base
  readonly identity: BaseIdentity
  /** E.g. `sts:AssumeRole`. */
  readonly call: string
}

const identityRefused =
  /^(ExpiredToken(Exception)?|InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClientException|IncompleteSignature|InvalidAccessKeyId|MissingAuthenticationToken(Exception)?|RequestExpired|AuthFailure|ExpiredIdentityToken)$/
const denied = /^(AccessDenied(Exception)?|UnauthorizedOperation|NotAuthorized)$/
const trustActions = ['sts:SetSourceIdentity', 'sts:TagSession', 'sts:AssumeRole'] as const

/** Any failure of a request as an error of the provider contract. Keeps no cause: the SDK's errors hold the whole answer. */
export function explain(error: unknown, attempt: Attempt): JitError {
  const failure = failureOf(error)
  if (error instanceof JitError || (failure.status === undefined && !failure.throttled))
    return noAnswer(`AWS gave no proper answer to ${attempt.call}`, error, attempt.identity.secrets)
  return explainFailure(failure, attempt)
}

export function explainFailure(failure: Failure, attempt: Attempt): JitError {
  const { base, host, call } = attempt
  const { code, status } = failure
  const said = quote(redact(code === '' ? failure.message : `${code}: ${failure.message}`, attempt.identity.secrets), 400)
  if (failure.throttled) {
    return new JitError('provider.unavailable', `AWS limits the rate of ${call}: ${said}`, {
      details: { ...(status === undefined ? {} : { status }), retryAfter: failure.retryAfter ?? 1000, sent: false },
    })
  }
  if (status === undefined) return new JitError('provider.unavailable', `AWS gave no proper answer to ${call}: ${said}`)
  const details = { status, ...(failure.retryAfter === undefined ? {} : { retryAfter: failure.retryAfter }) }
  if (status >= 500 || status < 400) return new JitError('provider.unavailable', `AWS answered ${status} to ${call}: ${said}`, { details })
  if (identityRefused.test(code) || status === 401) {
    base.forget()
    const clock = /Signature|Expired/.test(code) ? ` Or a clock is off: here it is ${new Date(host.clock.now()).toISOString()}.` : ''
    return new JitError('provider.login', `AWS does not accept the identity of provider ${host.name}, ${base.source}: ${said}`, {
      hint: `${base.remedy}${clock}`,
      details,
    })
  }
  if (code === 'PackedPolicyTooLarge' || code === 'PackedPolicyTooLargeException') return tooLarge(failure, said, details)
  if (denied.test(code)) return explainDenied(failure, said, details, attempt)
  return new JitError('provider.refused', `AWS answered ${status} to ${call}: ${said}`, { hint: hintFor(failure, attempt), details })
}

/** AWS packs policy and tags into a form of its own, whose size nobody else can know. */
function tooLarge(failure: Failure, said: string, details: Readonly<Record<string, unknown>>): JitError {
  const percent = /(\d+)\s?%/.exec(failure.message)?.[1]
  const share = percent === undefined ? 'more than all' : `${percent} %`
  return new JitError('provider.scope', `session policy and tags take ${share} of the room that AWS has for them: ${said}`, {
    hint: 'Name fewer resources or actions in the scope of this tool, or set `tags: false` for this provider.',
    details: { ...details, ...(percent === undefined ? {} : { percent: Number(percent) }) },
  })
}

function explainDenied(
  failure: Failure,
  said: string,
  details: Readonly<Record<string, unknown>>,
  { config, base, call }: Attempt,
): JitError {
  if (call !== 'sts:AssumeRole') {
    return new JitError('provider.refused', `AWS does not let ${base.source} call ${call}: ${said}`, {
      hint: `Its permission policy must allow ${call}; the README of aws-sts has the document.`,
      details,
    })
  }
  const missing = trustActions.find((action) => failure.message.includes(action)) ?? 'sts:AssumeRole'
  const without = {
    'sts:SetSourceIdentity': ', or set `sourceIdentity: false`',
    'sts:TagSession': ', or set `tags: false`',
    'sts:AssumeRole': '',
  }
  const external =
    missing !== 'sts:AssumeRole'
      ? ''
      : config.externalId === undefined
        ? ' If it asks for an external id, set `externalId`.'
        : ' Its external id must be the `externalId` of this provider.'
  return new JitError('provider.refused', `AWS does not let ${base.source} do ${missing} on ${config.roleArn}: ${said}`, {
    hint: `The trust policy of role ${roleOf(config).name} must name this identity and allow ${missing}, and its own permission policy too${without[missing]}.${external}`,
    details: { ...details, missing },
  })
}

function hintFor({ code, message }: Failure, { config }: Attempt): string {
  if (code === 'RegionDisabledException') return `Activate STS in ${config.region} (account settings of IAM), or change \`region\`.`
  if (/DurationSeconds/i.test(message)) {
    return `Lower \`maximumDuration\` (now ${config.maximumDuration} s): the role's maximum is less, and 3600 s is the most when one role assumes another.`
  }
  if (code.startsWith('LimitExceeded'))
    return `The inline policies of role ${roleOf(config).name} are full: move some into managed policies, or wait until revoked sessions have ended.`
  if (code.startsWith('MalformedPolicyDocument'))
    return 'AWS does not understand the session policy: correct the scope of this tool (`jit explain` shows it).'
  return 'Check `roleArn`, `region` and `externalId` of this provider.'
}
