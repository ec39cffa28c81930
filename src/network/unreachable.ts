import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { PassThrough } from 'node:stream'
import type { JitError } from '../core/errors.ts'
import type { Network } from './network.ts'

/**
 * The network while its own config cannot be used: nothing is reached, for that reason. Another way than the configured one
 * would show credentials to whoever stands on it.
 */
export function unreachableNetwork(reason: JitError): Network {
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
