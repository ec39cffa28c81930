/**
 * An MCP server for tests that reads objects with AWS's own client for S3, configured by the environment alone, as servers
 * in the wild are: `read_object` of a bucket and key, `environment` answers with its own environment and arguments.
 */
import { createInterface } from 'node:readline'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'

const tools = ['read_object', 'environment'].map((name) => ({ name, description: name, inputSchema: { type: 'object' } }))
/** One for its life, as most servers have it. */
const s3 = new S3Client({ maxAttempts: 1 })

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line)
  if (message.method === 'initialize') {
    answer(message.id, {
      protocolVersion: message.params.protocolVersion,
      capabilities: { tools: {} },
      serverInfo: { name: 'aws', version: '1.0.0' },
    })
  } else if (message.method === 'tools/list') answer(message.id, { tools })
  else if (message.method === 'tools/call') void call(message.id, message.params.name, message.params.arguments ?? {})
  else if (message.id !== undefined) answer(message.id, {})
}

/**
 * @param {unknown} id
 * @param {string} name
 * @param {{ bucket: string, key: string, instead?: string }} args `instead`: reads this key, whatever was asked
 */
async function call(id, name, args) {
  if (name === 'environment') return text(id, JSON.stringify({ environment: process.env, argv: process.argv }))
  try {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: args.bucket, Key: args.instead ?? args.key }))
    text(id, (await Body?.transformToString()) ?? '')
  } catch (error) {
    text(id, `failed: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`)
  }
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
