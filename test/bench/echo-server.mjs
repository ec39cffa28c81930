/** The smallest MCP server that answers: raw lines, no SDK, so that a benchmark measures the way and not the server. */
const results = new Map()
let rest = ''

process.stdin.setEncoding('utf8')
process.stdin.on('data', (/** @type {string} */ chunk) => {
  const lines = (rest + chunk).split('\n')
  rest = lines.pop() ?? ''
  let out = ''
  for (const line of lines) {
    if (line === '') continue
    const message = JSON.parse(line)
    if (message.id === undefined) continue
    out += `{"jsonrpc":"2.0","id":${JSON.stringify(message.id)},"result":${answer(message)}}\n`
  }
  if (out !== '') process.stdout.write(out)
})

/** @param {{ method: string, params: { protocolVersion: string, arguments: { size: number } } }} message */
function answer(message) {
  if (message.method === 'initialize') {
    return JSON.stringify({
      protocolVersion: message.params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'echo', version: '1.0.0' },
    })
  }
  if (message.method === 'tools/list') {
    const tool = { description: 'answers with size characters', inputSchema: { type: 'object' } }
    return JSON.stringify({ tools: ['echo', 'mint'].map((name) => ({ name, ...tool })) })
  }
  if (message.method !== 'tools/call') return '{}'
  const size = message.params.arguments.size
  let result = results.get(size)
  if (result === undefined) {
    result = JSON.stringify({ content: [{ type: 'text', text: 'x'.repeat(size) }] })
    results.set(size, result)
  }
  return result
}
