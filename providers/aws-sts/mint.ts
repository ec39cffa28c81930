import { z } from 'zod'
import {
  type Credential,
  JitError,
  type JsonObject,
  type MintRequest,
  type Provider,
  type ProviderHost,
  Secret,
} from '../../src/provider/index.ts'
import { type AwsConfig, roleOf, stsEndpointOf } from './config.ts'
import { environmentOf } from './environment.ts'
import { isWithin, policyText, sessionPolicy, territory, touched, unique } from './policy.ts'
import { createRevocation } from './revoke.ts'
import { readStatements, statementsOf } from './scope.ts'
import { sessionName, sessionTags } from './session.ts'
import { createSts } from './sts.ts'

/** Seconds: STS makes no shorter session. */
const shortest = 900
/** A policy that lets a session only ask who it is, which AWS lets everybody. */
const proofPolicy: JsonObject = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: ['sts:GetCallerIdentity'], Resource: ['*'] }],
}

const answer = z.object({
  Credentials: z.object({
    AccessKeyId: z.string().min(16),
    SecretAccessKey: z.string().min(1),
    SessionToken: z.string().min(1),
    Expiration: z.date(),
  }),
  AssumedRoleUser: z.object({ AssumedRoleId: z.string().min(1), Arn: z.string().min(1) }),
})

type Session = z.infer<typeof answer>

export function openAws(config: AwsConfig, host: ProviderHost): Provider {
  const sts = createSts(config, host)
  const revocation = createRevocation(config, host, sts.base)
  const { account, name: roleName } = roleOf(config)

  const assume = async (request: Omit<MintRequest, 'scope'>, policy: JsonObject, signal: AbortSignal): Promise<Session> => {
    const text = policyText(policy)
    const output = await sts.ask('sts:AssumeRole', signal, (client, { AssumeRoleCommand }) =>
      client.send(
        new AssumeRoleCommand({
          RoleArn: config.roleArn,
          RoleSessionName: sessionName(request.lease),
          Policy: text,
          DurationSeconds: Math.min(config.maximumDuration, Math.max(shortest, Math.ceil(request.ttl / 1000))),
          ...(config.externalId === undefined ? {} : { ExternalId: config.externalId }),
          ...(config.sourceIdentity ? { SourceIdentity: sessionName(request.principal.human) } : {}),
          ...(config.tags ? { Tags: sessionTags(request.principal) } : {}),
        }),
        { abortSignal: signal },
      ),
    )
    const parsed = answer.safeParse(output)
    if (!parsed.success) throw new JitError('provider.unavailable', 'AWS’s answer to sts:AssumeRole has another form than documented')
    return parsed.data
  }

  return {
    origin: new URL(stsEndpointOf(config)).origin,
    maxTtl: config.maxTtl ?? config.maximumDuration * 1000,
    async mint(request, signal): Promise<Credential> {
      const { Credentials, AssumedRoleUser } = await assume(request, sessionPolicy(request.scope), signal)
      return {
        secrets: {
          accessKeyId: new Secret(Credentials.AccessKeyId),
          secretAccessKey: new Secret(Credentials.SecretAccessKey),
          sessionToken: new Secret(Credentials.SessionToken),
        },
        expiresAt: Credentials.Expiration.getTime(),
        // STS says nothing of what a session may do: it may do what the policy says, at most. The user id names it for a revocation.
        granted: { ...request.scope, session: AssumedRoleUser.AssumedRoleId },
      }
    },
    revoke: (credential, signal) => revocation.revoke(credential, signal),
    covers(granted, asked) {
      const { session: _session, ...scope } = granted
      const [given, wanted] = [readStatements(scope), readStatements(asked)]
      return given !== undefined && wanted !== undefined && isWithin(given, wanted)
    },
    partition: (scope) =>
      [`${account}/${roleName}`, ...unique(statementsOf(scope).flatMap(({ resources }) => resources.map(territory)))].join(' '),
    describe: (scope) => touched(statementsOf(scope)).join(', '),
    asks: (scope) => ({ sessionPolicy: sessionPolicy(scope) }),
    environment: (placeholder) => environmentOf(placeholder, config.region),
    async prove(signal) {
      const own = await sts.ask('sts:GetCallerIdentity', signal, (client, { GetCallerIdentityCommand }) =>
        client.send(new GetCallerIdentityCommand({}), { abortSignal: signal }),
      )
      const principal = { human: 'jit', agent: 'jit', session: 'login', server: 'login', tool: 'login' }
      const { Credentials, AssumedRoleUser } = await assume({ lease: 'jit-login', ttl: 0, principal }, proofPolicy, signal)
      return {
        account: own.Account ?? null,
        identity: own.Arn ?? null,
        source: sts.base.source,
        role: config.roleArn,
        session: AssumedRoleUser.Arn,
        proof: `assumed the role with a policy that allows only sts:GetCallerIdentity; AWS ends that session at ${Credentials.Expiration.toISOString()}`,
      }
    },
  }
}
