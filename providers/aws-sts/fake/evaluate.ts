import { runSimulation } from '@cloud-copilot/iam-simulate'
import { arnOf, type FakeSession, userIdOf } from './state.ts'

/** Whether IAM would allow it: the role's policies and the session policy together, by an evaluator that somebody else wrote. */
export async function isAllowed(session: FakeSession, action: string, resource: string): Promise<boolean> {
  const [, , , , account = ''] = session.role.arn.split(':')
  const result = await runSimulation(
    {
      request: {
        principal: arnOf({ session }),
        action,
        resource: { resource, accountId: account },
        contextVariables: { 'aws:userid': userIdOf({ session }) },
      },
      sessionPolicy: JSON.parse(session.policy),
      identityPolicies: Array.from(session.role.policies, ([name, text]) => ({ name, policy: JSON.parse(text) })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  )
  if (result.resultType === 'error') throw new Error(`the simulation failed: ${JSON.stringify(result)}`)
  return result.overallResult === 'Allowed'
}
