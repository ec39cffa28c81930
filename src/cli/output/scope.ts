import { plain } from './text.ts'

/** `issues: read on acme/web`, `public data`, or the JSON of a scope of another form; escaped. */
export function scopeText(scope: unknown): string {
  if (typeof scope !== 'object' || scope === null) return ''
  if (Reflect.get(scope, 'public') === true) return 'public data'
  const repositories: unknown = Reflect.get(scope, 'repositories')
  const permissions: unknown = Reflect.get(scope, 'permissions')
  if (!Array.isArray(repositories) || typeof permissions !== 'object' || permissions === null) return plain(JSON.stringify(scope))
  return plain(`${pairs(permissions)} on ${repositories.join(', ')}`)
}

/** `issues: read, contents: write`; lists with commas, anything deeper as JSON. */
export function pairs(value: object): string {
  return Object.entries(value)
    .map(([name, found]) => `${name}: ${typeof found === 'object' ? JSON.stringify(found) : String(found)}`)
    .join(', ')
}
