import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { PassThrough } from 'node:stream'
import { JitError } from '../core/errors.ts'
import type { Network } from './network.ts'

/**
 * The network while its own config cannot be used: nothing is reached, for that reason. Another way than the configured one
 * would show credentials to whoever stands on it.
 */
export function unreachableNetwork(config: JitError): Network {
  const { code, message, hint, details } = config
  // For providers: a mint that failed with it has certainly made nothing.
  const reason = new JitError(code, message, { hint, details: { ...details, sent: false }, cause: config })
  return {
    fetch: async () => {
      throw reason
    },
    httpsAgent: refusing(new HttpsAgent(), reason),
    httpAgent: refusing(new HttpAgent(), reason),
    timeout: 1000,
    close: async () => undefined,
  }
}

function refusing<A extends HttpAgent>(agent: A, reason: JitError): A {
  // The type wants a stream beside the error; the agent reads the error alone.
  agent.createConnection = (_, callback) => void callback?.(reason, new PassThrough())
  return agent
}
