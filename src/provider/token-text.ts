/** No header that a server takes holds more. */
const longest = 16 * 1024
/** A token that can be told from other text has more left than this without MCP's own words: fewer could be guessed. */
const fewest = 12

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
 * (`typetext`), or spend itself on looking for a token of megabytes.
 */
export function unfitToken(token: string): string | undefined {
  if (token.length > longest) return `has ${token.length} characters: jit takes ${longest}`
  const left = token.replace(/[^A-Za-z0-9]/g, '').replace(commonWords, '')
  return left.length >= fewest ? undefined : 'could be guessed, or be taken for ordinary text'
}

const commonWords = new RegExp(words.join('|'), 'gi')
