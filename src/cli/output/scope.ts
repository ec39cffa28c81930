import { plain } from './text.ts'

/** `issues: read on acme/web`, `public data`, or `policies: a, b; uses: 3` of a scope of another form; escaped. */
export function scopeText(scope: unknown): string {
  if (typeof scope !== 'object' || scope === null) return ''
  if (Reflect.get(scope, 'public') === true) return 'public data'
  const repositories: unknown = Reflect.get(scope, 'repositories')
  const permissions: unknown = Reflect.get(scope, 'permissions')
  if (!Array.isArray(repositories) || typeof permissions !== 'object' || permissions === null) return plain(fields(scope))
  return plain(`${pairs(permissions)} on ${repositories.join(', ')}`)
}

/** `issues: read, contents: write`; lists with commas, anything deeper as JSON. */
export function pairs(value: object): string {
  return Object.entries(value)
    .map(([name, found]) => `${name}: ${typeof found === 'object' ? JSON.stringify(found) : String(found)}`)
    .join(', ')
}

/** `policies: a, b; uses: 3` */
export function fields(scope: object): string {
  return Object.entries(scope)
    .map(
      ([name, value]) => `${name}: ${isFlat(value) ? value.join(', ') : typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
    )
    .join('; ')
}

function isFlat(value: unknown): value is readonly (string | number)[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' || typeof item === 'number')
}
