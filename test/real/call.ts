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

/** A connection to a server over `jit connect`; when it closes, its credentials end. */
export interface Connection {
  /** What is refused as an error of the protocol counts as failed, too. */
  call(name: string, args: Record<string, unknown>): Promise<Called>
  close(): Promise<void>
}

export async function connect(home: string, server: string): Promise<Connection> {
  const client = await openAgent(home, server)
  return {
    async call(name, args) {
      try {
        const answer = toolAnswer.parse(await client.callTool({ name, arguments: args }))
        return {
          text: answer.content.map(({ text, resource }) => text + (resource?.text ?? '')).join('\n'),
          failed: answer.isError === true,
        }
      } catch (error) {
        return { text: String(error), failed: true }
      }
    },
    close: () => client.close(),
  }
}

/** One call on a connection of its own. */
export async function callTool(home: string, server: string, name: string, args: Record<string, unknown>): Promise<Called> {
  const connection = await connect(home, server)
  try {
    return await connection.call(name, args)
  } finally {
    await connection.close()
  }
}
