import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { demoEnvironment, launcher } from '../../support/command.ts'

/** A client of its own over `jit connect <server>`; the caller closes it. */
export async function openAgent(home: string, server: string): Promise<Client> {
  const client = new Client({ name: 'agent', version: '1.0.0' })
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
