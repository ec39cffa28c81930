/**
 * The rows of the error table (src/core/errors.ts) that the shim itself answers with; a test holds the two together.
 * @satisfies {Record<string, { rpc: number, hint: string }>}
 */
export const errors = {
  'daemon.unreachable': { rpc: 1200, hint: 'Start it with `jit daemon`, or look into its log (`jit doctor` says where).' },
  'daemon.restarted': {
    rpc: 1203,
    hint: 'Whether the call took effect upstream is unknown: look there before you call again.',
  },
  'message.too-large': { rpc: 1801, hint: 'The message is over the cap; raise `limits.messageBytes` if it is meant.' },
}

/**
 * A failure as the shim tells it, or as the daemon's welcome frame did.
 * @typedef {{ code: string, message: string, hint: string, rpc: number }} Failure
 */

/**
 * @param {keyof typeof errors} code
 * @param {string} message
 * @param {string} [hint]
 * @returns {Failure}
 */
export function failure(code, message, hint = errors[code].hint) {
  return { code, message, hint, rpc: errors[code].rpc }
}

/**
 * One line for the client that answers a batch.
 * @param {string[]} ids each its JSON
 * @param {Failure} error
 */
export function errorBatch(ids, error) {
  return `[${ids.map((id) => errorLine(id, error)).join(',')}]`
}

/**
 * One line for the client: a JSON-RPC error of the gateway's form.
 * @param {string} id its JSON
 * @param {Failure} error
 */
export function errorLine(id, { code, message, hint, rpc }) {
  const body = { code: rpc, message: `${message}. ${hint}`, data: { code, hint } }
  return `{"jsonrpc":"2.0","id":${id},"error":${JSON.stringify(body)}}`
}
