import { hash } from 'node:crypto'
import { canonicalJson, deepFreeze, scalarJson } from '../core/json.ts'
import type { Operation } from '../core/types.ts'

/** SHA-256 over the canonical JSON of everything that an operation is: server, kind, name, arguments and the tool's definition. */
export function operationDigest(operation: Omit<Operation, 'digest'>): string {
  const { server, kind, name, args, definition } = operation
  const names = `"definition":${scalarJson(definition)},"kind":"${kind}","name":${scalarJson(name)},"server":${scalarJson(server)}`
  return hash('sha256', `{"args":${canonicalJson(args)},${names}}`)
}

/** Freezes the arguments, and everything in them, and adds the digest. */
export function makeOperation(operation: Omit<Operation, 'digest'>): Operation {
  const { server, kind, name, definition } = operation
  const args = deepFreeze(operation.args)
  return Object.freeze({ server, kind, name, args, definition, digest: operationDigest(operation) })
}
