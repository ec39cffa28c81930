import { type Answer, arnOf, type Caller, type FakeRole } from './state.ts'
import { fail, succeed } from './xml.ts'

/** IAM: all inline policies of a role together, without white space. */
const room = 10_240

/** iam:GetRolePolicy and iam:PutRolePolicy. */
export function rolePolicy(form: URLSearchParams, caller: Caller, roles: readonly FakeRole[]): Answer {
  const action = form.get('Action') ?? ''
  const roleName = form.get('RoleName') ?? ''
  const policyName = form.get('PolicyName') ?? ''
  const role = roles.find(({ arn }) => arn.endsWith(`/${roleName}`))
  if (!('identity' in caller) || caller.identity.allowed?.includes(`iam:${action}`) !== true) {
    return fail(403, 'AccessDenied', `User: ${arnOf(caller)} is not authorized to perform: iam:${action} on resource: role ${roleName}`)
  }
  if (role === undefined) return fail(404, 'NoSuchEntity', `The role with name ${roleName} cannot be found.`)
  if (action === 'GetRolePolicy') {
    const found = role.policies.get(policyName)
    if (found === undefined) return fail(404, 'NoSuchEntity', `The role policy with name ${policyName} cannot be found.`)
    return succeed(action, { RoleName: roleName, PolicyName: policyName, PolicyDocument: encodeURIComponent(found) })
  }
  const document = form.get('PolicyDocument') ?? ''
  const total = [...role.policies].reduce((sum, [name, text]) => sum + (name === policyName ? 0 : sizeOf(text)), sizeOf(document))
  if (total > room) return fail(409, 'LimitExceeded', `Maximum policy size of ${room} bytes exceeded for role ${roleName}`)
  role.policies.set(policyName, document)
  return { ...succeed(action, {}), status: 200 }
}

function sizeOf(text: string): number {
  return text.replace(/\s/g, '').length
}
