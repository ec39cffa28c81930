import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { demoEnvironment, launcher } from './command.ts'

/** The SDK's own client over `jit connect <server>`, as a client called `name`; the caller closes it. */
export async function openAgent(home: string, server: string, name = 'agent'): Promise<Client> {
  const client = new Client({ name, version: '1.0.0' })
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [launcher, 'connect', server],
      env: demoEnvironment(home),
      stderr: 'ignore',
    }),
  )
  return client
}
