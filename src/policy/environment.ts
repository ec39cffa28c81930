import type { Injection } from '../config/schema.ts'
import { quote } from '../core/errors.ts'
import { RuleError, within } from './refusal.ts'
import type { ProviderFacts } from './types.ts'

/**
 * Looks at the variables of mode env, in which a server holds parts of a credential itself: only what is meant for it may stand
 * there. Throws RuleError.
 */
export function checkEnvironment({ mode, env }: Injection, facts: ProviderFacts): void {
  if (mode !== 'env' || env === undefined) return
  if (typeof env === 'string') return within(['env'], () => checkPart('token', facts, `write \`env: { ${env}: "\${…}" }\` with its parts`))
  for (const [name, template] of Object.entries(env)) {
    within(['env', name], () => {
      for (const [text, part = ''] of template.matchAll(/\$\{([^}]*)\}?/g)) {
        if (!/^[a-zA-Z_]+$/.test(part) || !text.endsWith('}')) throw new RuleError(`${quote(text)} names no part of a credential`)
        checkPart(part, facts)
      }
    })
  }
}

function checkPart(part: string, facts: ProviderFacts, advice = ''): void {
  const only = part === 'token' ? undefined : 'it gives a server ${token}, and nothing else'
  const reason = facts.checkPart === undefined ? only : facts.checkPart(part)
  if (reason !== undefined)
    throw new RuleError(`\${${part}} of a provider of kind ${facts.kind}: ${reason}${advice === '' ? '' : `; ${advice}`}`)
}
