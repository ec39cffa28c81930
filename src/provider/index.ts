/** The public entry "jit/provider": all that a provider plugin may import. */
export type { Json, JsonObject } from '../core/json.ts'
export { canonicalJson, isJsonObject } from '../core/json.ts'
export type { Clock } from '../core/clock.ts'
export type { Logger } from '../core/types.ts'
export { JitError, quote } from '../core/errors.ts'
export { Secret } from '../core/secret.ts'
export { answerObject, answerText, isDeep } from './answer.ts'
export { duration } from './duration.ts'
export { holdsInvisible } from './invisible.ts'
export { neverSent } from './never-sent.ts'
export { jitErrorBehind, noAnswer } from './no-answer.ts'
export { nothingMinted } from './nothing-minted.ts'
export { redact } from './redact.ts'
export { retryDelay } from './retry-delay.ts'
export { unfitToken } from './token-text.ts'
export type {
  BrowserLogin,
  CallbackPlace,
  Credential,
  LoginCallback,
  LoginField,
  LoginHost,
  MintRequest,
  Provider,
  ProviderHost,
  ProviderPlugin,
  RevokeOutcome,
} from './contract.ts'
