import type { LocalServer } from '../gateway/upstream/local.ts'
import type { SelfServiceDeps } from './types.ts'

/** What it is made of is loaded with the first conversation: a daemon that nobody asks does not pay for it. */
export function createSelfService(deps: SelfServiceDeps): LocalServer {
  return {
    pin: `jit@${deps.version}`,
    async open(caller, say) {
      const [{ converse }, { createAnswers }] = await Promise.all([import('./conversation.ts'), import('./answers.ts')])
      return converse({ version: deps.version, log: deps.log, answers: createAnswers(deps) }, caller, say)
    },
  }
}
