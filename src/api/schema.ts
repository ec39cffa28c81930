import { z } from 'zod'

/**
 * The daemon's HTTP API, version 1, over the unix socket `api.sock` (folder 0700). JSON bodies; errors are `ErrorBody`
 * with the table's HTTP status. No route returns a secret. Times are milliseconds since 1970.
 */

const json = z.json()
const jsonObject = z.record(z.string(), json)

/** Whether a server runs in a sandbox on this machine; `network`: its only way out is the broker, or the machine's own. */
export const sandboxView = z.object({
  used: z.boolean(),
  /** `remote`: there is no process to confine. */
  kind: z.enum(['bubblewrap', 'seatbelt', 'none', 'remote']),
  network: z.enum(['broker', 'machine']),
  reason: z.string(),
  advice: z.string(),
})
export type SandboxView = z.infer<typeof sandboxView>

export const statusView = z.object({
  version: z.string(),
  pid: z.number(),
  startedAt: z.number(),
  node: z.string(),
  home: z.object({ config: z.string(), state: z.string(), runtime: z.string(), log: z.string() }),
  locked: z.boolean(),
  store: z.object({ state: z.enum(['open', 'sealed']), key: z.enum(['keychain', 'passphrase', 'file']), note: z.string() }),
  config: z.object({ file: z.string(), digest: z.string(), appliedAt: z.number(), pending: z.boolean(), problems: z.number() }),
  audit: z.object({ records: z.number(), writable: z.boolean(), head: z.string() }),
  leases: z.object({ live: z.number(), minting: z.number(), outstanding: z.number(), lost: z.number() }),
  approvals: z.number(),
  /** Where MCP clients come in by HTTP: `http://127.0.0.1:PORT`; empty while there is no such door. */
  http: z.string(),
  sessions: z.array(z.object({ session: z.string(), agent: z.string(), pid: z.number(), human: z.string(), connections: z.number() })),
  servers: z.array(
    z.object({
      name: z.string(),
      lanes: z.array(z.object({ lane: z.string(), pid: z.number(), partition: z.string(), inFlight: z.number(), startedAt: z.number() })),
      pin: z.string(),
      lastError: z.string(),
      sandbox: sandboxView,
    }),
  ),
  warnings: z.array(z.string()),
})
export type StatusView = z.infer<typeof statusView>

export const kindView = z.object({
  kind: z.string(),
  summary: z.string(),
  revocation: z.enum(['immediate', 'policy', 'expiry', 'never']),
  /** The secret is a key that is used as it is: its registration proves nothing upstream. */
  longLived: z.boolean().optional(),
  /** Its login may go on in the browser. */
  browser: z.boolean().optional(),
  login: z.array(
    z.object({
      name: z.string(),
      label: z.string(),
      help: z.string(),
      secret: z.boolean(),
      required: z.boolean(),
      type: z.enum(['text', 'number', 'file']),
      pattern: z.string().optional(),
      argument: z.literal(true).optional(),
    }),
  ),
  example: z.string().optional(),
})
export type KindView = z.infer<typeof kindView>

/** POST /v1/providers: registers (or with `replace` registers anew). `secrets` are sealed before anything is written. */
export const registerProvider = z.strictObject({
  kind: z.string(),
  name: z.string(),
  config: jsonObject,
  secrets: z.record(z.string(), z.string()),
  replace: z.boolean().default(false),
})
export const providerView = z.object({
  name: z.string(),
  kind: z.string(),
  revocation: z.string(),
  origin: z.string(),
  secrets: z.array(z.string()),
  servers: z.array(z.string()),
  /** What the proof found; only in the answer to a registration. */
  proof: jsonObject.optional(),
})
export type ProviderView = z.infer<typeof providerView>

/**
 * POST /v1/logins, with the body of a registration: newline-delimited events. `open` asks for the person's browser, `registered` or
 * `error` (an ErrorBody) is the last. The login ends with the connection.
 */
export const loginEvent = z.union([
  z.object({ open: z.string(), notes: z.array(z.string()) }),
  z.object({ registered: providerView }),
  z.object({ error: jsonObject }),
])
export type LoginEvent = z.infer<typeof loginEvent>

/** POST /v1/servers */
/** How the person's own terminal reaches a registry: for the installer of this one request, and for nothing else. */
export const registryVariables = [
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'HTTPS_PROXY',
  'HTTP_PROXY',
  'NO_PROXY',
  'https_proxy',
  'http_proxy',
  'no_proxy',
] as const
const registryEnvironment = z.partialRecord(z.enum(registryVariables), z.string().max(4096)).default({})
/** One entry of `network.hosts`: `localhost:3000` → `127.0.0.1:3000`. */
export const dialled = z.strictObject({ name: z.string().max(300), address: z.string().max(300) })
export const addServer = z.strictObject({
  name: z.string(),
  entry: jsonObject,
  /** What a person agreed to that jit dials from now on; only the address of the server itself, where that is this machine. */
  dial: dialled.optional(),
  replace: z.boolean().default(false),
  registry: registryEnvironment,
})
/** POST /v1/servers/:name/update */
export const updateServer = z.strictObject({ registry: registryEnvironment })
export const serverView = z.object({
  name: z.string(),
  run: z.array(z.string()),
  url: z.string(),
  provider: z.string(),
  preset: z.string(),
  mode: z.string(),
  /** Of a remote server. */
  transport: z.enum(['streamable-http', 'sse']).optional(),
  allow: z.array(z.string()),
  ask: z.array(z.string()),
  pin: z.string(),
  sandbox: sandboxView,
  /** Its address for clients that speak HTTP; empty while there is none. */
  http: z.string(),
})
export type ServerView = z.infer<typeof serverView>

/** GET /v1/servers/:name/tools: what the server says of itself. */
export const listedTool = z.object({ name: z.string(), description: z.string(), readOnly: z.boolean() })
export type ListedTool = z.infer<typeof listedTool>

/** POST /v1/explain */
export const explainRequest = z.strictObject({ server: z.string(), tool: z.string(), args: jsonObject })
export const explainView = z.object({
  effect: z.enum(['allow', 'ask', 'deny']),
  /** What stands in the way of this call now, whatever policy says; empty: nothing. */
  held: z.enum(['', 'locked', 'sealed']).default(''),
  rule: z.object({ source: z.string(), path: z.string() }),
  reason: z.string(),
  resource: z.string(),
  used: jsonObject,
  grant: z
    .object({
      credential: z.enum(['none', 'lease']),
      provider: z.string(),
      scope: jsonObject,
      /** What the upstream is asked for, exactly, where the scope does not say it. */
      asks: jsonObject.optional(),
      requests: z.array(z.string()),
      /** True where the server itself holds the credential (modes env and credentials): no request rule binds it. */
      handedOver: z.boolean().optional(),
      /** Where a remote server gets the credential with the call itself: in which header, to which origin. */
      sent: z.object({ header: z.string(), origin: z.string() }).optional(),
      ttl: z.number(),
      lifetime: z.enum(['call', 'ttl']),
      partition: z.string(),
    })
    .optional(),
})
export type ExplainView = z.infer<typeof explainView>

export const leaseView = z.object({
  id: z.string(),
  state: z.string(),
  provider: z.string(),
  server: z.string(),
  tool: z.string(),
  session: z.string(),
  scope: jsonObject,
  fingerprint: z.string(),
  startedAt: z.number(),
  expiresAt: z.number(),
  validUntil: z.number(),
  inUse: z.number(),
  error: z.string(),
})

/** POST /v1/revoke */
export const revokeRequest = z.union([
  z.strictObject({ all: z.literal(true) }),
  z.strictObject({ server: z.string() }),
  z.strictObject({ provider: z.string() }),
  z.strictObject({ session: z.string() }),
  z.strictObject({ lease: z.string() }),
])
export const receiptView = z.object({
  lease: z.string(),
  provider: z.string(),
  server: z.string(),
  scope: jsonObject,
  cut: z.literal(true),
  outcome: z.enum(['revoked', 'accepted', 'pending', 'expires', 'kept', 'irrevocable']),
  verified: z.boolean(),
  validUntil: z.number().optional(),
  lived: z.number(),
  detail: z.string().optional(),
})
export const receipts = z.object({ receipts: z.array(receiptView) })

/** POST /v1/tokens: the hash of a token that the caller made; the token itself never comes here. */
export const addToken = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/, 'a name has letters, digits, "-", "_" and ".", at most 63 characters'),
  /** SHA-256 in hex. */
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  /** Empty: all of them. */
  servers: z.array(z.string()).max(256).default([]),
  /** Milliseconds; until it is removed when absent. */
  life: z.number().int().positive().optional(),
})
export const tokenView = z.object({
  name: z.string(),
  servers: z.array(z.string()),
  addedAt: z.number(),
  /** 0: never. */
  expiresAt: z.number(),
  connections: z.number(),
  /** Of the door; empty while it is closed. */
  address: z.string(),
})
export type TokenView = z.infer<typeof tokenView>

/** POST /v1/seal: closes the store; with `passphrase` it is re-keyed to it first. POST /v1/unseal: opens it. */
export const sealRequest = z.strictObject({ passphrase: z.string().min(1).optional() })
export const unsealRequest = z.strictObject({ passphrase: z.string().min(1).optional() })

/**
 * GET /v1/audit: newline-delimited AuditRecords, oldest first; `follow` keeps the answer open. `cutOff`: calls that a daemon did not
 * live to end come too, as `call.cut-off`.
 */
export const auditQuery = z.strictObject({
  since: z.coerce.number().optional(),
  until: z.coerce.number().optional(),
  server: z.string().optional(),
  tool: z.string().optional(),
  call: z.string().optional(),
  lease: z.string().optional(),
  type: z.string().optional(),
  trace: z.string().min(1).max(256).optional(),
  limit: z.coerce.number().int().min(1).max(100_000).optional(),
  /** Every record is looked at, and no index is asked where to look. */
  scan: z.stringbool().optional(),
  follow: z.stringbool().optional(),
  cutOff: z.stringbool().optional(),
})
/** GET /v1/audit/verify */
export const verifyView = z.object({
  ok: z.boolean(),
  records: z.number(),
  segments: z.number(),
  checkpoints: z.number(),
  head: z.string(),
  key: z.string(),
  problems: z.array(z.object({ file: z.string(), line: z.number(), message: z.string() })),
})
export type VerifyView = z.infer<typeof verifyView>

export const approvalView = z.object({
  id: z.string(),
  call: z.string(),
  server: z.string(),
  tool: z.string(),
  resource: z.string(),
  args: jsonObject,
  digest: z.string(),
  human: z.string(),
  agent: z.string(),
  session: z.string(),
  scope: jsonObject.optional(),
  requests: z.array(z.string()),
  askedAt: z.number(),
  expiresAt: z.number(),
})
/** POST /v1/approvals/:id */
export const answerApproval = z.strictObject({ answer: z.enum(['approved', 'denied']), digest: z.string() })

/** One rule that an agent would like. Its words are a stranger's. */
export const proposalView = z.object({
  id: z.string(),
  state: z.enum(['waiting', 'accepted', 'rejected', 'expired']),
  session: z.string(),
  agent: z.string(),
  human: z.string(),
  at: z.number(),
  server: z.string(),
  reason: z.string(),
  /** What it is about, without server and reason. */
  change: jsonObject,
})
export type ProposalView = z.infer<typeof proposalView>
/** POST /v1/proposals/:id/accept (with `digest`: of the config as it was shown; refused when it would become another) */
export const acceptProposal = z.strictObject({ digest: z.string() })

const configProblem = z.object({
  file: z.string(),
  line: z.number(),
  column: z.number(),
  path: z.string(),
  message: z.string(),
  suggestion: z.string().optional(),
})

/** POST /v1/config/check and /v1/config/apply (with `digest`: of the file as it was shown; refused when it changed since). */
export const applyRequest = z.strictObject({ digest: z.string().optional(), dryRun: z.boolean().default(false) })
export const applyView = z.object({
  applied: z.boolean(),
  digest: z.string(),
  changes: z.array(z.object({ path: z.string(), before: z.string(), after: z.string(), effect: z.enum(['wider', 'narrower', 'other']) })),
  problems: z.array(configProblem),
  /** What keeps it from working as it stands, and not from being taken: a folder that it names may come. */
  warnings: z.array(configProblem).optional(),
  /** What is in force cannot be used: every call is denied. */
  broken: z.boolean().optional(),
})
export type ApplyView = z.infer<typeof applyView>

/** GET /v1/proposals/:id; `effect` is what accepting it would change, or why it cannot be accepted. */
export const proposalEffectView = z.object({ proposal: proposalView, effect: applyView })
export type ProposalEffectView = z.infer<typeof proposalEffectView>

/** GET /v1/doctor */
export const doctorView = z.object({
  checks: z.array(z.object({ name: z.string(), state: z.enum(['ok', 'warn', 'fail']), found: z.string(), advice: z.string() })),
})
export type DoctorView = z.infer<typeof doctorView>

/** The first frame from the shim. Everything in it is a claim. */
export const helloFrame = z.object({
  hello: z.literal(1),
  server: z.string(),
  pid: z.number(),
  parent: z.object({ pid: z.number(), name: z.string(), startTime: z.number() }),
  cwd: z.string(),
  /** JSON of the client's `initialize` request when this is a reconnection. */
  resume: z.boolean(),
})
export type HelloFrame = z.infer<typeof helloFrame>

/** The daemon's answer: `welcome`, or an error after which it closes. */
export const welcomeFrame = z.union([
  z.object({ welcome: z.literal(1), daemon: z.number() }),
  z.object({ error: z.object({ code: z.string(), message: z.string(), hint: z.string(), rpc: z.number() }) }),
])

export const routes = {
  status: ['GET', '/v1/status'],
  stop: ['POST', '/v1/stop'],
  kinds: ['GET', '/v1/kinds'],
  providers: ['GET', '/v1/providers'],
  registerProvider: ['POST', '/v1/providers'],
  login: ['POST', '/v1/logins'],
  removeProvider: ['DELETE', '/v1/providers/:name'],
  servers: ['GET', '/v1/servers'],
  addServer: ['POST', '/v1/servers'],
  updateServer: ['POST', '/v1/servers/:name/update'],
  removeServer: ['DELETE', '/v1/servers/:name'],
  serverTools: ['GET', '/v1/servers/:name/tools'],
  tokens: ['GET', '/v1/tokens'],
  addToken: ['POST', '/v1/tokens'],
  removeToken: ['DELETE', '/v1/tokens/:name'],
  explain: ['POST', '/v1/explain'],
  leases: ['GET', '/v1/leases'],
  revoke: ['POST', '/v1/revoke'],
  seal: ['POST', '/v1/seal'],
  unseal: ['POST', '/v1/unseal'],
  lock: ['POST', '/v1/lock'],
  unlock: ['POST', '/v1/unlock'],
  audit: ['GET', '/v1/audit'],
  verify: ['GET', '/v1/audit/verify'],
  trace: ['GET', '/v1/audit/trace/:hash'],
  approvals: ['GET', '/v1/approvals'],
  answer: ['POST', '/v1/approvals/:id'],
  proposals: ['GET', '/v1/proposals'],
  proposal: ['GET', '/v1/proposals/:id'],
  acceptProposal: ['POST', '/v1/proposals/:id/accept'],
  rejectProposal: ['POST', '/v1/proposals/:id/reject'],
  checkConfig: ['POST', '/v1/config/check'],
  applyConfig: ['POST', '/v1/config/apply'],
  doctor: ['GET', '/v1/doctor'],
} as const
