import { z } from 'zod'
import type { AnyClient } from './open.ts'

const calls = z.object({ toolCalls: z.array(z.object({ name: z.string(), arguments: z.record(z.string(), z.unknown()) })).optional() })

/**
 * Uses all that the server of a scenario offers once: the calls that the suite's context names, else each tool with arguments made
 * up from its schema; then prompts and resources. What the server refuses is the suite's to judge.
 */
export async function perform(client: AnyClient, context: unknown): Promise<void> {
  const { tools } = await client.listTools()
  const wanted = calls.parse(context).toolCalls ?? tools.map(({ name, inputSchema }) => ({ name, arguments: madeUp(inputSchema) }))
  for (const call of wanted) await client.callTool(call).catch(complain)
  const offered = client.getServerCapabilities()
  if (offered?.prompts !== undefined) {
    for (const { name } of (await client.listPrompts()).prompts) await client.getPrompt({ name }).catch(complain)
  }
  if (offered?.resources !== undefined) {
    for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri }).catch(complain)
  }
}

const schema = z.object({ properties: z.record(z.string(), z.looseObject({ type: z.unknown().optional() })).optional() })
const samples: Readonly<Record<string, unknown>> = { number: 2, integer: 3, boolean: true, string: 'text' }

function madeUp(inputSchema: Record<string, unknown>): Record<string, unknown> {
  const properties = Object.entries(schema.parse(inputSchema).properties ?? {})
  return Object.fromEntries(properties.map(([name, { type }]) => [name, samples[String(type)] ?? 'text']))
}

function complain(error: unknown): void {
  console.error(error instanceof Error ? error.message : error)
}
