import { randomBytes } from 'node:crypto'
import { deflateRawSync } from 'node:zlib'
import { type Answer, arnOf, type Caller, type FakeRole, type FakeSession, type FakeWebIdentity, userIdOf } from './state.ts'
import { fail, succeed } from './xml.ts'

const namePattern = /^[\w+=,.@-]{2,64}$/
const tagKey = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u
const tagValue = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u
const policyCharacters = /^[\t\n\r\u0020-\u00ff]{1,2048}$/

/** sts:AssumeRole: what STS checks of a request, in its order, and its trust policy's word. */
export function assumeRole(
  form: URLSearchParams,
  caller: Caller,
  roles: readonly FakeRole[],
  at: { readonly now: number; readonly packedRoom: number },
): { answer: Answer; session?: FakeSession } {
  const name = form.get('RoleSessionName') ?? ''
  const source = form.get('SourceIdentity')
  const policy = form.get('Policy') ?? ''
  const seconds = Number(form.get('DurationSeconds') ?? 3600)
  const tags = tagsOf(form)
  const role = roles.find(({ arn }) => arn === form.get('RoleArn'))
  const invalid = [
    [namePattern.test(name), 'roleSessionName'],
    [source === null || (namePattern.test(source) && !source.startsWith('aws:')), 'sourceIdentity'],
    [policyCharacters.test(policy), 'policy'],
    [Number.isInteger(seconds) && seconds >= 900 && seconds <= 43_200, 'durationSeconds'],
    [tags.size <= 50 && Array.from(tags).every(([key, value]) => tagKey.test(key) && !/^aws:/i.test(key) && tagValue.test(value)), 'tags'],
  ].find(([good]) => good === false)
  if (invalid !== undefined)
    return {
      answer: fail(400, 'ValidationError', `1 validation error detected: Value at '${String(invalid[1])}' failed to satisfy constraint`),
    }
  if (role === undefined) return denied(caller, 'sts:AssumeRole', form.get('RoleArn') ?? '')
  for (const action of [
    'sts:AssumeRole',
    ...(source === null ? [] : ['sts:SetSourceIdentity']),
    ...(tags.size === 0 ? [] : ['sts:TagSession']),
  ]) {
    if (!trusts(role, caller, action, form.get('ExternalId'))) return denied(caller, action, role.arn)
  }
  if (seconds > ('session' in caller ? Math.min(3600, role.maxSessionDuration) : role.maxSessionDuration)) {
    return { answer: fail(400, 'ValidationError', 'The requested DurationSeconds exceeds the MaxSessionDuration set for this role.') }
  }
  const wrong = problemOf(policy, role)
  if (wrong !== undefined) return { answer: fail(400, 'MalformedPolicyDocument', wrong) }
  const percent = Math.ceil((deflateRawSync(policy + form.toString()).length / at.packedRoom) * 100)
  if (percent > 100)
    return {
      answer: fail(400, 'PackedPolicyTooLarge', `Packed size of session policy and tags consumes ${percent}% of the allotted space.`),
    }
  const about = { role, name, policy, sourceIdentity: source ?? undefined, tags: Object.fromEntries(tags) }
  const session = sessionOf(about, at.now + seconds * 1000)
  return { session, answer: answerOf('AssumeRole', session, percent) }
}

/** sts:AssumeRoleWithWebIdentity: nobody signs it, the token says who asks. */
export function assumeWithToken(
  form: URLSearchParams,
  known: readonly FakeWebIdentity[],
  now: number,
): { answer: Answer; session?: FakeSession } {
  const found = known.find(({ token, role }) => token === form.get('WebIdentityToken') && role.arn === form.get('RoleArn'))
  if (found === undefined) return { answer: fail(400, 'InvalidIdentityToken', 'No OpenIDConnect provider found in your account') }
  const about = { role: found.role, name: form.get('RoleSessionName') ?? '', policy: '', sourceIdentity: undefined, tags: {} }
  const session = sessionOf(about, now + 3_600_000)
  return { session, answer: answerOf('AssumeRoleWithWebIdentity', session, 0) }
}

function sessionOf(about: Pick<FakeSession, 'role' | 'name' | 'policy' | 'sourceIdentity' | 'tags'>, expiresAt: number): FakeSession {
  return {
    ...about,
    accessKeyId: `ASIA${randomBase32(16)}`,
    secretAccessKey: randomBytes(30).toString('base64'),
    sessionToken: randomBytes(300).toString('base64'),
    expiresAt: Math.floor(expiresAt / 1000) * 1000,
  }
}

function answerOf(action: string, session: FakeSession, percent: number): Answer {
  return succeed(action, {
    AssumedRoleUser: { AssumedRoleId: userIdOf({ session }), Arn: arnOf({ session }) },
    Credentials: {
      AccessKeyId: session.accessKeyId,
      SecretAccessKey: session.secretAccessKey,
      SessionToken: session.sessionToken,
      Expiration: new Date(session.expiresAt).toISOString().replace('.000', ''),
    },
    PackedPolicySize: percent,
    ...(session.sourceIdentity === undefined ? {} : { SourceIdentity: session.sourceIdentity }),
  })
}

function trusts(role: FakeRole, caller: Caller, action: string, externalId: string | null): boolean {
  return role.trust.some(
    (entry) =>
      (entry.principal === arnOf(caller) || ('session' in caller && entry.principal === caller.session.role.arn)) &&
      entry.actions.includes(action) &&
      (entry.externalId === undefined || entry.externalId === externalId),
  )
}

function denied(caller: Caller, action: string, resource: string): { answer: Answer } {
  return { answer: fail(403, 'AccessDenied', `User: ${arnOf(caller)} is not authorized to perform: ${action} on resource: ${resource}`) }
}

/** What STS says of a document that is none, or that names another partition than the role's. */
function problemOf(policy: string, role: FakeRole): string | undefined {
  try {
    const { Version, Statement }: { Version?: unknown; Statement?: { Resource?: unknown }[] } = JSON.parse(policy)
    if (Version !== '2012-10-17' || !Array.isArray(Statement) || Statement.length === 0) return 'Syntax errors in policy.'
    const foreign = Statement.flatMap(({ Resource }) => Resource).find(
      (resource) => typeof resource === 'string' && resource !== '*' && resource.split(':')[1] !== role.arn.split(':')[1],
    )
    return foreign === undefined
      ? undefined
      : `Partition "${String(foreign).split(':')[1]}" is not valid for resource "${String(foreign)}".`
  } catch {
    return 'This policy contains invalid Json'
  }
}

function tagsOf(form: URLSearchParams): Map<string, string> {
  const tags = new Map<string, string>()
  for (const [name, value] of form) {
    const index = /^Tags\.member\.(\d+)\.Key$/.exec(name)?.[1]
    if (index !== undefined) tags.set(value, form.get(`Tags.member.${index}.Value`) ?? '')
  }
  return tags
}

function randomBase32(length: number): string {
  return Array.from(randomBytes(length), (byte) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[byte % 32]).join('')
}
