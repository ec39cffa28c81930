/** A request as egress took it apart: decoded path segments in order, query parameters as they came. */
export interface WireRequest {
  readonly method: string
  readonly origin: string
  /** The last one is empty when the path ends with a slash. One with a slash in it had that escaped; few rules take it. */
  readonly segments: readonly string[]
  readonly query: readonly (readonly [name: string, value: string])[]
  /** Those that travel on and stand there once, by their names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** Names of headers, in lower case, that only a rule which names them lets through. */
  readonly steering?: ReadonlySet<string>
}

/**
 * Takes a request target apart; undefined when two readers could read it differently: absolute form, fragment, backslash,
 * control or non-ASCII characters, invalid percent escapes, escaped dots, backslashes or percent signs, empty and dot segments
 * (also with path parameters, `..;`, and also between escaped slashes), and `;` in a query, which some readers split at.
 */
export function readTarget(
  method: string,
  origin: string,
  target: string,
  headers: ReadonlyMap<string, string> = new Map(),
): WireRequest | undefined {
  if (!isPlain(target)) return undefined
  const cut = target.indexOf('?')
  const segments = readSegments(cut === -1 ? target : target.slice(0, cut))
  const query = cut === -1 ? [] : readQuery(target.slice(cut + 1))
  return segments === undefined || query === undefined ? undefined : { method, origin, segments, query, headers }
}

/** Origin form in printable ASCII without fragment and backslash: enough where no rule reads the path. */
export function isPlain(target: string): boolean {
  return target.startsWith('/') && /^[!"$-[\]-~]*$/.test(target)
}

function readSegments(path: string): string[] | undefined {
  if (path === '/') return []
  if (/%2e/i.test(path)) return undefined
  const segments: string[] = []
  const raw = path.slice(1).split('/')
  for (const [index, text] of raw.entries()) {
    const segment = decode(text)
    if (segment === undefined || /[\\%\p{Cc}]/u.test(segment)) return undefined
    const parts = segment.split('/')
    if (parts.some((part) => /^\.{1,2}(;|$)/.test(part))) return undefined
    if (parts.includes('') && (parts.length > 1 || index < raw.length - 1)) return undefined
    segments.push(segment)
  }
  return segments
}

function readQuery(text: string): [string, string][] | undefined {
  const query: [string, string][] = []
  if (text.includes(';')) return undefined
  for (const part of text.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decode((equals === -1 ? part : part.slice(0, equals)).replaceAll('+', ' '))
    const value = decode((equals === -1 ? '' : part.slice(equals + 1)).replaceAll('+', ' '))
    if (name === undefined || value === undefined || /\p{Cc}/u.test(name)) return undefined
    query.push([name, value])
  }
  return query
}

/** Strict: UTF-8 and complete escapes only. */
function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
