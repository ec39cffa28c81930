import { canonicalJson, JitError, type Json, type JsonObject, quote } from '../../src/provider/index.ts'
import type { OauthConfig } from './config.ts'
import { type OauthScope, oauthScope } from './scope.ts'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
const jwt = 'urn:ietf:params:oauth:token-type:jwt'

/** The parameters of a token request, without what proves who asks. */
export function parametersOf(config: OauthConfig, scope: OauthScope): [string, string][] {
  const isExchange = config.grant === 'token-exchange'
  const parameters: [string, string][] = [['grant_type', isExchange ? exchange : 'client_credentials']]
  if (scope.scopes !== undefined) parameters.push(['scope', scope.scopes.join(' ')])
  for (const resource of scope.resource ?? []) parameters.push(['resource', resource])
  for (const audience of scope.audience ?? []) parameters.push(['audience', audience])
  if (scope.authorization_details !== undefined) parameters.push(['authorization_details', JSON.stringify(scope.authorization_details)])
  if (isExchange) parameters.push(['requested_token_type', accessToken], ['subject_token_type', config.subjectTokenType])
  if (config.actor) parameters.push(['actor_token_type', jwt])
  return parameters
}

export function parseScope(scope: JsonObject): OauthScope & JsonObject {
  const parsed = oauthScope.safeParse(scope)
  if (!parsed.success) throw new JitError('provider.scope', `not a scope of oauth: ${quote(scope)}`)
  return parsed.data
}

/**
 * What is touched and not how: reading and writing one thing may share a child process, two things may not. Parts hold no
 * space but in quotes, and each says what it is, so that two different things never look alike.
 */
export function partitionOf(scope: JsonObject): string {
  const { scopes = [], resource = [], audience = [], authorization_details: details = [] } = parseScope(scope)
  const target = [...resource.map((text) => `resource=${text}`), ...audience.map((text) => `audience=${text}`), ...details.map(thing)]
  return (target.length > 0 ? target : [...scopes].sort().map((text) => `scope=${text}`)).join(' ')
}

/** `repository(identifier=facebook/react, issue="42")`: a detail without what is done to the thing. */
function thing({ type, ...detail }: JsonObject): string {
  const fields = Object.entries(detail)
    .filter(([key]) => key !== 'actions' && key !== 'privileges')
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([key, value]) => `${word(key)}=${word(value)}`)
  return `${word(type ?? null)}(${fields.join(', ')})`
}

/** A plain name as it is, anything else as JSON, which the number 42 is and the name "42" is not. */
function word(value: Json): string {
  return typeof value === 'string' && /^[A-Za-z][\w.:/@~-]*$/.test(value) && !/^(true|false|null)$/.test(value)
    ? value
    : canonicalJson(value)
}

/** For people: what the details name, else the resources and audiences, else the scopes. */
export function describeScope(scope: JsonObject): string {
  const parsed = oauthScope.safeParse(scope)
  if (!parsed.success) return 'nothing'
  const { scopes, resource, audience, authorization_details: details } = parsed.data
  const where = [...(resource ?? []), ...(audience ?? [])]
  const named = (details ?? []).map((detail) => String(detail['identifier'] ?? canonicalJson(detail)))
  return (named.length > 0 ? named : where.length > 0 ? where : (scopes ?? [])).join(', ')
}
