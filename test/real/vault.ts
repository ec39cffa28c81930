import { z } from 'zod'
import { startProgram } from './programs.ts'

const started = z.object({ address: z.string(), rootToken: z.string() })

/** A Vault in memory, unsealed. */
export interface Vault {
  readonly address: string
  /** A request as root. Throws when it is refused. */
  ask(method: string, path: string, body?: object): Promise<unknown>
  /** Status of a request with another token. */
  status(token: string, path: string): Promise<number>
  stop(): Promise<void>
}

export async function startVault(program: string): Promise<Vault> {
  const running = startProgram(program, [])
  const [line] = await running.says(/^\{.*\}$/m)
  const { address, rootToken } = started.parse(JSON.parse(line))
  const send = (token: string, method: string, path: string, body?: object): Promise<Response> =>
    fetch(`${address}/v1/${path}`, {
      method,
      headers: { 'x-vault-token': token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  return {
    address,
    async ask(method, path, body) {
      const response = await send(rootToken, method, path, body)
      const text = await response.text()
      if (!response.ok) throw new Error(`Vault answered ${response.status} to ${method} ${path}: ${text}`)
      return text === '' ? undefined : JSON.parse(text)
    },
    status: async (token, path) => (await send(token, 'GET', path)).status,
    stop: () => running.stop(),
  }
}
