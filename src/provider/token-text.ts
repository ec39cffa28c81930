/** No header that a server takes holds more. */
const longest = 16 * 1024
/** A token that can be told from other text has more left than this without MCP's own words: fewer could be guessed. */
const fewest = 12

/** A beginning of so many characters that is the same text so many times over costs time wherever that text stands. */
const longEnough = 128
const oftenEnough = 4

/** What stands in messages of every server. Longer words first: one is not to be left over as part of another. */
const words = [
  'structuredContent',
  'progressToken',
  'notifications',
  'outputSchema',
  'capabilities',
  'protocolVersion',
  'inputSchema',
  'serverInfo',
  'description',
  'annotations',
  'resources',
  'properties',
  'resource',
  'mimeType',
  'required',
  'isError',
  'jsonrpc',
  'content',
  'message',
  'prompts',
  'boolean',
  'integer',
  'params',
  'result',
  'method',
  'object',
  'string',
  'number',
  'array',
  'tools',
  'title',
  'error',
  'level',
  'items',
  'image',
  'plain',
  'false',
  'json',
  'text',
  'type',
  'data',
  'name',
  'code',
  'info',
  'meta',
  'null',
  'true',
  'uri',
  'id',
].toSorted((one, other) => other.length - one.length)

/**
 * Why a token that an authorization server chose cannot be hidden, to follow "a token that "; undefined when it can. Each token is
 * taken out of the messages of all servers: the server that it is for could otherwise have jit take MCP's own words out of the others'
 * (`typetext`), or spend itself on looking for a token of megabytes, or for one that nearly begins at each character of a text (`aaa…ab`).
 */
export function unfitToken(token: string): string | undefined {
  if (token.length > longest) return `has ${token.length} characters: jit takes ${longest}`
  if (repeats(token)) return 'repeats itself'
  const left = token.replace(/[^A-Za-z0-9]/g, '').replace(commonWords, '')
  return left.length >= fewest ? undefined : 'could be guessed, or be taken for ordinary text'
}

/** Whether it begins with one text many times over (by the failure function of Knuth, Morris and Pratt). */
function repeats(token: string): boolean {
  const ends = [0]
  for (let at = 1, same = 0; at < token.length; at += 1) {
    while (same > 0 && token.charAt(at) !== token.charAt(same)) same = ends[same - 1] ?? 0
    if (token.charAt(at) === token.charAt(same)) same += 1
    ends.push(same)
    const length = at + 1
    if (length >= longEnough && (length - same) * oftenEnough <= length) return true
  }
  return false
}

const commonWords = new RegExp(words.join('|'), 'gi')
