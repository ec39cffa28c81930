import type { AwsOptions } from './aws.ts'
import type { FakeRole } from './state.ts'

export const roleArn = 'arn:aws:iam::123456789012:role/acme/agents'
export const brokerArn = 'arn:aws:iam::123456789012:user/jit'
/** jit's own key at the stand-in. */
export const baseKeys = { accessKeyId: 'AKIAFAKEFAKEFAKEFAKE', secretAccessKey: 'fakefakefakefakefakefakefakefakefakefake' } as const

export function acmeRole(more: Partial<FakeRole> = {}): FakeRole {
  return {
    arn: roleArn,
    roleId: 'AROAFAKEFAKEFAKEFAKE2',
    maxSessionDuration: 3600,
    trust: [{ principal: brokerArn, actions: ['sts:AssumeRole', 'sts:SetSourceIdentity', 'sts:TagSession'] }],
    policies: new Map([
      [
        'reports',
        JSON.stringify({
          Version: '2012-10-17',
          Statement: [{ Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject'], Resource: 'arn:aws:s3:::acme-reports/*' }],
        }),
      ],
    ]),
    ...more,
  }
}

/** One account with a role for agents and jit's own identity, which may keep the deny policy. */
export function acmeAws(more: Partial<AwsOptions> & { readonly role?: FakeRole } = {}): AwsOptions {
  const { role = acmeRole(), ...options } = more
  return {
    identities: [{ ...baseKeys, arn: brokerArn, allowed: ['iam:GetRolePolicy', 'iam:PutRolePolicy'] }],
    roles: [role],
    ...options,
  }
}
