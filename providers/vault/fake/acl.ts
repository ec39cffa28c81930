/** Path pattern → capabilities. */
export type Rules = ReadonlyMap<string, ReadonlySet<string>>

/** Path blocks with capabilities: the subset of Vault's HCL that policies here use, or its JSON form. Undefined for anything else. */
export function parsePolicy(text: string): Rules | undefined {
  return text.trim().startsWith('{') ? parseJsonPolicy(text) : parseHclPolicy(text)
}

function parseJsonPolicy(text: string): Rules | undefined {
  try {
    const document = JSON.parse(text) as { path?: Record<string, { capabilities?: string[] }> }
    return new Map(Object.entries(document.path ?? {}).map(([path, rule]) => [path, new Set(rule.capabilities)]))
  } catch {
    return undefined
  }
}

function parseHclPolicy(text: string): Rules | undefined {
  const rules = new Map<string, Set<string>>()
  const plain = text.replaceAll(/^\s*(#|\/\/).*$/gm, '')
  const rest = plain.replaceAll(/path\s+"([^"]*)"\s*\{([^}]*)\}/g, (_, path: string, body: string) => {
    const list = /capabilities\s*=\s*\[([^\]]*)\]/.exec(body)?.[1] ?? ''
    rules.set(path, new Set(Array.from(list.matchAll(/"([a-z]+)"/g), (match) => match[1] ?? '')))
    return ''
  })
  return rest.trim() === '' ? rules : undefined
}

/** Whether these policies together allow it: the most specific pattern decides, and `deny` beats all beside it. */
export function isAllowed(policies: readonly Rules[], path: string, capability: string): boolean {
  const merged = new Map<string, Set<string>>()
  for (const rules of policies) {
    for (const [pattern, capabilities] of rules) merged.set(pattern, new Set([...(merged.get(pattern) ?? []), ...capabilities]))
  }
  const asked = capability === 'list' ? [path, path.replace(/\/$/, '')] : [path]
  const fitting = [...merged.keys()].filter((pattern) => asked.some((one) => fits(pattern, one)))
  const best = fitting.sort(bySpecificity)[0]
  const granted = best === undefined ? undefined : merged.get(best)
  return granted !== undefined && !granted.has('deny') && granted.has(capability)
}

/** `+` is one segment, a `*` at the end any rest. */
function fits(pattern: string, path: string): boolean {
  const open = pattern.endsWith('*')
  const text = (open ? pattern.slice(0, -1) : pattern).replaceAll(/[.*?^${}()|[\]\\]/g, String.raw`\$&`)
  const source = text
    .split('/')
    .map((segment) => (segment === '+' ? '[^/]+' : segment.replaceAll('+', String.raw`\+`)))
    .join('/')
  return new RegExp(`^${source}${open ? '.*' : ''}$`).test(path)
}

/** The first is the one that counts, as Vault's documentation orders them. */
function bySpecificity(left: string, right: string): number {
  const wildcard = (pattern: string): number => {
    const at = pattern.search(/\+|\*$/)
    return at === -1 ? Number.POSITIVE_INFINITY : at
  }
  const plus = (pattern: string): number => pattern.split('/').filter((segment) => segment === '+').length
  const order = [
    wildcard(right) === wildcard(left) ? 0 : wildcard(right) - wildcard(left),
    Number(left.endsWith('*')) - Number(right.endsWith('*')),
    plus(left) - plus(right),
    right.length - left.length,
  ].find((difference) => difference !== 0)
  return order ?? (left > right ? -1 : 1)
}
