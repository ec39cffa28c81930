/**
 * Every error that a user can meet: `code → { http, rpc, exit, hint }`.
 * `rpc` lies outside -32768..-32000, which JSON-RPC and MCP keep for themselves. `docs/reference/errors.md` is generated
 * from this table.
 */
export const errorTable = {
  usage: { http: 400, rpc: 1000, exit: 2, hint: 'Run the command with --help to see its options.' },
  internal: { http: 500, rpc: 1001, exit: 70, hint: 'This is a defect in jit. `jit doctor` collects what a report needs.' },
  'not-found': { http: 404, rpc: 1002, exit: 3, hint: 'Check the name; `jit servers`, `jit providers` and `jit leases` list what exists.' },
  conflict: { http: 409, rpc: 1003, exit: 4, hint: 'It exists already: choose another name or remove it first.' },
  cancelled: { http: 499, rpc: 1004, exit: 130, hint: 'The caller ended the call.' },

  'config.invalid': { http: 422, rpc: 1100, exit: 78, hint: 'Correct the line that is named; `jit config check` tries it without effect.' },
  'config.not-applied': { http: 409, rpc: 1101, exit: 78, hint: 'Run `jit config apply` to see what changes and let it take effect.' },
  'config.missing': { http: 404, rpc: 1102, exit: 78, hint: 'Register a provider with `jit login`, then a server with `jit add`.' },

  'daemon.unreachable': {
    http: 503,
    rpc: 1200,
    exit: 69,
    hint: 'Start it with `jit daemon`, or look into its log (`jit doctor` says where).',
  },
  'daemon.running': { http: 409, rpc: 1201, exit: 75, hint: 'One daemon serves one home: `jit status` shows it, `jit stop` ends it.' },
  'daemon.unsafe': { http: 500, rpc: 1202, exit: 77, hint: 'Remove the named setting or repair the named folder, then start again.' },
  'daemon.restarted': {
    http: 503,
    rpc: 1203,
    exit: 75,
    hint: 'Whether the call took effect upstream is unknown: look there before you call again.',
  },
  'daemon.busy': { http: 503, rpc: 1204, exit: 75, hint: 'End some clients, or restart the daemon (`jit stop`) if none is in use.' },
  'token.refused': {
    http: 401,
    rpc: 1205,
    exit: 77,
    hint: 'Make a token with `jit token add NAME`, and let the client send it as `Authorization: Bearer …`.',
  },

  'store.sealed': { http: 423, rpc: 1300, exit: 77, hint: 'Open the secret store with `jit unseal`.' },
  'store.wrong-key': {
    http: 403,
    rpc: 1301,
    exit: 77,
    hint: 'Give the passphrase that was set last, or restore the key file or keychain entry that this store was made with.',
  },
  'store.unavailable': {
    http: 503,
    rpc: 1302,
    exit: 74,
    hint: 'Check free space and permissions of the state folder; calls resume by themselves.',
  },
  'store.corrupt': {
    http: 500,
    rpc: 1303,
    exit: 74,
    hint: 'Nothing was overwritten. Restore a copy of the state folder, or run `jit stop` and `jit doctor --recover-store`: it makes a new store of what can be read.',
  },

  'policy.denied': { http: 403, rpc: 1400, exit: 5, hint: '`jit explain` shows the rule that decided.' },
  'policy.unlisted': {
    http: 403,
    rpc: 1401,
    exit: 5,
    hint: 'List the tool under `allow` or `ask` of its server, then `jit config apply`.',
  },
  'policy.argument': { http: 403, rpc: 1402, exit: 5, hint: 'The argument lies outside what the policy admits.' },
  'policy.changed': { http: 409, rpc: 1403, exit: 5, hint: 'The policy or the tool changed between the decision and its use; call again.' },
  locked: { http: 423, rpc: 1404, exit: 5, hint: 'Everything is denied until `jit unlock`.' },

  'approval.denied': { http: 403, rpc: 1500, exit: 5, hint: 'Do not repeat it; ask them.' },
  'approval.timeout': {
    http: 403,
    rpc: 1501,
    exit: 5,
    hint: 'Nobody answered in time. `jit approvals` lists what waits; `jit approve ID` answers.',
  },

  'provider.refused': { http: 403, rpc: 1600, exit: 76, hint: 'The provider refused. Check what the identity behind it may do.' },
  'provider.unavailable': {
    http: 503,
    rpc: 1601,
    exit: 69,
    hint: 'The provider did not answer properly; nothing wider was tried. Check its address and `network` in the config, or try again later.',
  },
  'provider.scope': { http: 403, rpc: 1602, exit: 76, hint: 'The scope is empty, malformed or wider than asked; nothing was handed out.' },
  'provider.login': { http: 401, rpc: 1603, exit: 77, hint: 'Register it again with `jit login`.' },
  'lease.revoked': {
    http: 403,
    rpc: 1604,
    exit: 5,
    hint: 'Whether the call took effect upstream is unknown: look there before you call again.',
  },
  'lease.expired': {
    http: 403,
    rpc: 1605,
    exit: 5,
    hint: 'Whether the call took effect upstream is unknown: look there before you call again.',
  },

  'server.unavailable': {
    http: 502,
    rpc: 1700,
    exit: 69,
    hint: 'The MCP server ended or never answered; `jit status` and the log show its last words.',
  },
  'server.busy': { http: 503, rpc: 1701, exit: 75, hint: 'All lanes of this server are taken; raise `lanes` or `queueTimeout`.' },
  'server.start': { http: 502, rpc: 1702, exit: 69, hint: 'The command of the server could not be started; check `run` in the config.' },
  'server.pin': {
    http: 409,
    rpc: 1703,
    exit: 77,
    hint: 'The installed server is not the one that was added; look at it, then `jit update`.',
  },

  'server.unauthorized': {
    http: 502,
    rpc: 1704,
    exit: 77,
    hint: 'The remote server wants another credential; `jit login` registers one.',
  },

  'message.malformed': { http: 400, rpc: 1800, exit: 65, hint: 'The message is not valid JSON-RPC.' },
  'message.too-large': { http: 413, rpc: 1801, exit: 65, hint: 'The message is over the cap; raise `limits.messageBytes` if it is meant.' },
  'message.ambiguous': {
    http: 400,
    rpc: 1802,
    exit: 65,
    hint: 'Duplicate or case-variant keys, or numbers that lose digits, are refused: two readers could see two values.',
  },
  'message.unknown': {
    http: 400,
    rpc: 1803,
    exit: 65,
    hint: 'jit passes on the methods of the MCP revisions 2024-11-05 to 2026-07-28, those that `methods` of the server names, and no others.',
  },
  'message.foreign': {
    http: 404,
    rpc: 1804,
    exit: 65,
    hint: 'A task or a request state is only good for the connection and the call that it was given to: make the call again.',
  },
  'message.credential': {
    http: 502,
    rpc: 1805,
    exit: 65,
    hint: 'The server spread a credential over its message where jit cannot take it out; look at the server, and do not use it until then.',
  },

  'egress.refused': {
    http: 403,
    rpc: 1900,
    exit: 5,
    hint: 'The request matches no call in flight; the trail says which rule was missing.',
  },
  'egress.upstream': { http: 502, rpc: 1901, exit: 69, hint: 'The upstream could not be reached at a permitted address.' },

  'audit.unwritable': {
    http: 503,
    rpc: 2000,
    exit: 74,
    hint: 'The trail cannot be written, so calls are refused. Free space on its disk; calls resume by themselves.',
  },
  'audit.broken': {
    http: 500,
    rpc: 2001,
    exit: 79,
    hint: 'The trail was changed after it was written. Keep a copy and compare it with its checkpoints.',
  },
} as const satisfies Record<string, ErrorRow>

type ErrorRow = { http: number; rpc: number; exit: number; hint: string }

export type ErrorCode = keyof typeof errorTable

export interface JitErrorOptions {
  /** What a person can do; the table's hint when absent. */
  readonly hint?: string
  /** What the remote or the system said, already free of secrets. */
  readonly cause?: unknown
  /** Facts for programs: names, values, positions. Never a secret. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** The one error of jit. `message` says what failed and with which value; what a stranger wrote stands in it as JSON. */
export class JitError extends Error {
  readonly code: ErrorCode
  readonly hint: string
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: JitErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'JitError'
    this.code = code
    this.hint = options.hint ?? errorTable[code].hint
    this.details = options.details ?? {}
  }

  get httpStatus(): number {
    return errorTable[this.code].http
  }

  get rpcCode(): number {
    return errorTable[this.code].rpc
  }

  get exitCode(): number {
    return errorTable[this.code].exit
  }

  toBody(): ErrorBody {
    return { error: { code: this.code, message: this.message, hint: this.hint, details: this.details } }
  }
}

/** How an error travels over the daemon's API and in `--json` output. */
export interface ErrorBody {
  readonly error: {
    readonly code: ErrorCode
    readonly message: string
    readonly hint: string
    readonly details: Readonly<Record<string, unknown>>
  }
}

/** Makes any thrown value a JitError; what is not one becomes `internal` with the original as its cause. */
export function toJitError(thrown: unknown, fallback: ErrorCode = 'internal'): JitError {
  if (thrown instanceof JitError) return thrown
  const message = thrown instanceof Error ? thrown.message : String(thrown)
  return new JitError(fallback, message, { cause: thrown })
}

/** A stranger's text for a message: as JSON, control characters escaped, at most `limit` characters. */
export function quote(text: unknown, limit = 120): string {
  const json = JSON.stringify(text) ?? 'undefined'
  const safe = json.replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{e0000}-\u{e007f}]/gu, escapeCharacter)
  return safe.length <= limit ? safe : `${safe.slice(0, limit)}… (${safe.length} characters)`
}

function escapeCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`
}
