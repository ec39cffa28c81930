/** Ways to spell a credential that it holds. @type {Record<string, (token: string) => string[]>} */
const spellings = {
  raw: (token) => [token],
  'base64, aligned': (token) => [base64(token)],
  'base64, one byte on': (token) => [base64(`x${token}`)],
  'base64, two bytes on': (token) => [base64(`xx${token}`)],
  base64url: (token) => [Buffer.from(`~${token}`).toString('base64url')],
  percent: (token) => [[...Buffer.from(token)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')],
  hex: (token) => [Buffer.from(token).toString('hex')],
  'upper-case hex': (token) => [Buffer.from(token).toString('hex').toUpperCase()],
  'JSON escapes': (token) => [token],
  'over content items': (token) => [token.slice(0, 10), token.slice(10)],
  'letter by letter': (token) => [[...token].join(' ')],
  reversed: (token) => [[...token].reverse().join('')],
}

/** @param {Record<string, any>} act */
export function echo({ spelling }) {
  return (spellings[spelling]?.(process.env['API_TOKEN'] ?? '') ?? []).map((text) => ({ type: 'text', text }))
}

/**
 * Says what no server should, and then answers its call as it should, unless it is told not to.
 * @param {Record<string, any>} act
 * @param {unknown} id
 */
export async function speak({ bytes = '', times = 1, repeat = '', escaped = false, tail = false, ends = false, answers = true }, id) {
  if (escaped) return say(id, escapes(process.env['API_TOKEN'] ?? ''))
  const said = String(bytes)
    .replaceAll('ID', JSON.stringify(id))
    .replaceAll('REPEAT', () => expand(repeat))
  for (let count = 0; count < times; count += 1) {
    if (!process.stdout.write(said)) await new Promise((resolve) => process.stdout.once('drain', resolve))
  }
  // As many brackets closed as were opened.
  if (tail) process.stdout.write(`${']'.repeat(Number(/\d+$/.exec(repeat)?.[0] ?? 0))}}}\n`)
  if (ends) process.stdout.write('\n')
  if (answers) say(id, '"said"')
}

/** `abc*3`: abcabcabc. @param {string} repeat */
function expand(repeat) {
  const [, text = '', count = '0'] = /^(.*)\*(\d+)$/.exec(repeat) ?? []
  return text.repeat(Number(count))
}

/** The token in a JSON text of its own making. @param {string} token */
function escapes(token) {
  return `"${[...token].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
}

/**
 * @param {unknown} id
 * @param {string} json
 */
function say(id, json) {
  process.stdout.write(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[{"type":"text","text":${json}}]}}\n`)
}

/** @param {string} text */
function base64(text) {
  return Buffer.from(text).toString('base64')
}
