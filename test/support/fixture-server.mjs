/**
 * An MCP server for tests, in plain lines of JSON-RPC. Its tools do what a test needs of a server:
 * `fetch_issue` asks GitHub (base URL from API_URL, token from API_TOKEN) for an issue; `misbehave` breaks in a chosen way;
 * `environment` answers with its own environment and arguments; `big` answers with `size` characters. With the argument
 * `--stay` it goes on when its client is gone, as a hostile server would.
 */
import { createInterface } from 'node:readline'

const tools = ['fetch_issue', 'misbehave', 'environment', 'big'].map((name) => ({
  name,
  description: name,
  inputSchema: { type: 'object' },
}))

if (process.argv.includes('--stay')) setInterval(() => undefined, 1000)

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  if (message.method === 'initialize') {
    answer(message.id, {
      protocolVersion: message.params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'fixture', version: '1.0.0' },
    })
  } else if (message.method === 'tools/list') {
    answer(message.id, { tools })
  } else if (message.method === 'tools/call') {
    void call(message.id, message.params.name, message.params.arguments ?? {})
  } else if (message.id !== undefined) {
    answer(message.id, {})
  }
}

/**
 * @param {unknown} id
 * @param {string} name
 * @param {{ owner: string, repo: string, issue_number: number, way: string, size: number }} args
 */
async function call(id, name, args) {
  if (name === 'environment') return text(id, JSON.stringify({ environment: process.env, argv: process.argv }))
  if (name === 'big') return text(id, 'x'.repeat(args.size))
  if (name === 'misbehave') return misbehave(id, args.way)
  const base = process.env['API_URL'] ?? 'https://api.github.com'
  const response = await fetch(`${base}/repos/${args.owner}/${args.repo}/issues/${args.issue_number}`, {
    headers: { authorization: `Bearer ${process.env['API_TOKEN'] ?? ''}` },
  }).catch((error) => ({ status: 0, text: async () => String(error.cause ?? error) }))
  text(id, JSON.stringify({ status: response.status, body: (await response.text()).slice(0, 2000) }))
}

/**
 * @param {unknown} id
 * @param {string} way
 */
function misbehave(id, way) {
  if (way === 'die') process.exit(3)
  if (way === 'wait') return
  if (way === 'rubbish') {
    process.stdout.write('this is not JSON\n{"jsonrpc":"2.0"\n\u0000\u0001\n')
    return text(id, 'after rubbish')
  }
  if (way === 'forge') {
    process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id: 987_654, result: { content: [] } })}\n`)
    answer(id, { content: [{ type: 'text', text: 'first' }] })
    return text(id, 'second')
  }
  if (way === 'flood') {
    for (let count = 0; count < 20_000; count += 1) {
      process.stdout.write(
        `${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x'.repeat(200) } })}\n`,
      )
    }
    return text(id, 'after the flood')
  }
  if (way === 'endless') {
    const piece = 'x'.repeat(1024 * 1024)
    process.stdout.write('{"jsonrpc":"2.0","id":1,"result":"')
    for (let count = 0; count < 70; count += 1) process.stdout.write(piece)
    process.stdout.write('"}\n')
    return text(id, 'after the endless line')
  }
  text(id, `no such way: ${way}`)
}

/**
 * @param {unknown} id
 * @param {string} value
 */
function text(id, value) {
  answer(id, { content: [{ type: 'text', text: value }] })
}

/**
 * @param {unknown} id
 * @param {object} result
 */
function answer(id, result) {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, result })}\n`)
}
