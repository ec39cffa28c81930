import type { Injection } from '../config/schema.ts'
import { quote } from '../core/errors.ts'
import { RuleError, within } from './refusal.ts'
import type { ProviderFacts } from './types.ts'

/**
 * Looks at what a server is given of a credential itself: in the variables of mode env, and in the header that goes to a remote
 * server. Only what is meant for it may stand there. Throws RuleError.
 */
export function checkHandedOver(inject: Injection, facts: ProviderFacts): void {
  if (inject.mode === 'env') checkVariables(inject, facts)
  // Such a provider has no part for a header, and is refused as a whole.
  if (inject.mode === 'header' && facts.authentication !== 'aws-sigv4') checkHeader(inject, facts)
}

function checkVariables({ env }: Injection, facts: ProviderFacts): void {
  if (env === undefined) return
  if (typeof env === 'string') return within(['env'], () => checkPart('token', facts, `write \`env: { ${env}: "\${…}" }\` with its parts`))
  for (const [name, template] of Object.entries(env)) {
    within(['env', name], () => {
      for (const part of partsOf(template)) checkPart(part, facts)
    })
  }
}

function checkHeader({ header }: Injection, facts: ProviderFacts): void {
  if (header === undefined) return within(['header'], () => checkPart('token', facts, 'write `header: { value: "${…}" }` with its parts'))
  within(['header', 'value'], () => {
    for (const part of partsOf(header.value)) checkPart(part, facts)
  })
}

function partsOf(template: string): string[] {
  return Array.from(template.matchAll(/\$\{([^}]*)\}?/g), ([text, part = '']) => {
    if (!/^[a-zA-Z_]+$/.test(part) || !text.endsWith('}')) throw new RuleError(`${quote(text)} names no part of a credential`)
    return part
  })
}

function checkPart(part: string, facts: ProviderFacts, advice = ''): void {
  const only = part === 'token' ? undefined : 'it gives a server ${token}, and nothing else'
  const reason = facts.checkPart === undefined ? only : facts.checkPart(part)
  if (reason !== undefined)
    throw new RuleError(`\${${part}} of a provider of kind ${facts.kind}: ${reason}${advice === '' ? '' : `; ${advice}`}`)
}
