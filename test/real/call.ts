import { z } from 'zod'
import { openAgent } from '../support/agent.ts'

const toolAnswer = z.looseObject({
  isError: z.boolean().optional(),
  content: z.array(z.looseObject({ text: z.string().default(''), resource: z.looseObject({ text: z.string().default('') }).optional() })),
})

export interface Called {
  readonly text: string
  readonly failed: boolean
}

/** One call over `jit connect` on a connection of its own; what is refused as an error of the protocol counts as failed, too. */
export async function callTool(home: string, server: string, name: string, args: Record<string, unknown>): Promise<Called> {
  const client = await openAgent(home, server)
  try {
    const answer = toolAnswer.parse(await client.callTool({ name, arguments: args }))
    return { text: answer.content.map(({ text, resource }) => text + (resource?.text ?? '')).join('\n'), failed: answer.isError === true }
  } catch (error) {
    return { text: String(error), failed: true }
  } finally {
    await client.close()
  }
}
