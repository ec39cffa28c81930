import type { z } from 'zod'
import type { Clock } from '../core/clock.ts'
import type { JitError } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Secret } from '../core/secret.ts'
import type { Logger } from '../core/types.ts'

/**
 * A kind of provider. The broker owns caching, sharing, retries, expiry and revocation; a plugin says what a scope is and
 * talks to its upstream. `Config` is what stands under `providers.<name>` in the config file, without `kind`.
 */
export interface ProviderPlugin<Config = unknown> {
  /** `kind:` in the config file, e.g. "github-app". */
  readonly kind: string
  /** One line for `jit login --help`. */
  readonly summary: string
  /** Strict object; `jit config check` uses it without opening anything. */
  readonly config: z.ZodType<Config>
  /** What one operation may ask for; refuses empty and wildcard values. */
  readonly scope: z.ZodType<JsonObject>
  /** The truth, printed in receipts: at once; by a policy, in minutes; only when it expires; or not at all, for a long-lived key. */
  readonly revocation: 'immediate' | 'policy' | 'expiry' | 'never'
  /**
   * How a credential goes into a request. `token` (when absent): it takes the placeholder's place, where that stands.
   * `aws-sigv4`: the request is signed anew, with the parts `accessKeyId`, `secretAccessKey` and `sessionToken`.
   */
  readonly authentication?: 'token' | 'aws-sigv4'
  /** `origin`: its credentials are for the server at `origin` and for nobody else; in mode header no other gets them. */
  readonly audience?: 'origin'
  /** True for a secret that outlives its lease upstream: only the broker itself may put it into requests; no server ever holds it. */
  readonly longLived?: boolean
  /** What `jit login` asks for, in this order. Secret fields are sealed, the others go to the config file. */
  readonly login: readonly LoginField[]
  /** What may stand behind `jit login KIND`, for its help: `acme --app-id 123456 …`. */
  readonly example?: string
  /** How a login goes on in the person's browser, for a kind that has such a way. */
  readonly browser?: BrowserLogin<Config>
  /**
   * A value of the real credential's shape for a server to hold, made from `random` (80 letters and digits).
   * It must never be valid upstream.
   */
  placeholder(random: string): string
  /** Checks a template value that came from a call's argument for the scope field at `path` (e.g. `repositories.0`);
   * answers why it is refused, or undefined. The generic checks (control characters, `*`, `${`, `..`, `%`) ran before. */
  checkField(path: string, value: string): string | undefined
  /**
   * Looks at `${part}` in a variable of mode env, or in the header of mode header, when the config is compiled: answers why no
   * server may hold that part of a credential (what only serves to renew or end it), or why there is none, or undefined. Absent: `token` and nothing else.
   */
  checkPart?(part: string): string | undefined
  /**
   * Looks at a scope's template when the config is compiled, so that a mistake in its fixed parts shows then and not with a
   * call: texts hold `${args.…}` where a call will fill them. Answers why no call could make a scope of it, or undefined.
   * A template without arguments is parsed by `scope` after that.
   */
  checkTemplate?(template: JsonObject): string | undefined
  /** No I/O. Throws JitError `config.invalid` or `provider.login` when a needed secret is missing. */
  open(config: Config, host: ProviderHost): Provider
}

export interface LoginField {
  /** Key in the config, or name of the secret. The flag is its kebab-case form: `appId` → `--app-id`. */
  readonly name: string
  readonly label: string
  readonly help: string
  readonly secret: boolean
  readonly required: boolean
  readonly type: 'text' | 'number' | 'file'
  /**
   * Regular expression that the whole value matches; of a secret, what is in its file. `jit login` refuses at once what does
   * not, and says `help`. `config` has the last word.
   */
  readonly pattern?: string
  /** It is given without a flag, before the name: `jit login mcp URL [NAME]`. */
  readonly argument?: true
}

/**
 * A login that a person finishes in a browser. It runs in the daemon: the command line is told an address to open and nothing
 * else, and what comes of it never passes there.
 */
export interface BrowserLogin<Config = unknown> {
  /** Whether a config logs in like this; otherwise what was given is all there is. */
  applies(config: Config): boolean
  /**
   * Answers secrets to seal beside those that were given, under their names. What it got and cannot use, it ends upstream before it
   * throws. Throws like `Provider.mint`; `signal` ends when the person gave up.
   */
  logIn(config: Config, host: LoginHost, signal: AbortSignal): Promise<Readonly<Record<string, Secret>>>
}

/** What a login has beside what every provider has. `secret` finds what was given with this login. */
export interface LoginHost extends ProviderHost {
  /** A secret of the registration that this one takes the place of. */
  previous(name: string): Secret | undefined
  /** Listens on this machine for the way back from the browser. Throws `conflict` when the port is taken. */
  listen(place: CallbackPlace): Promise<LoginCallback>
  /** Shows the person the whole address, which the browser then opens: https, or http on this machine. Notes stand before it. */
  show(url: string, notes: readonly string[]): void
}

export interface CallbackPlace {
  /** As the redirect address names this machine; it is 127.0.0.1 that is listened on. Default: `127.0.0.1`. */
  readonly host?: '127.0.0.1' | 'localhost'
  /** Default: a free one. */
  readonly port?: number
  /** Exact, without a query. */
  readonly path: string
}

/** Open for ten minutes at most. */
export interface LoginCallback {
  readonly redirectUri: string
  /**
   * The parameters of the one request that carries this state, which must not be guessable; a second one with it is turned away.
   * Throws `provider.login` after ten minutes, and the signal's reason.
   */
  wait(state: string, signal: AbortSignal): Promise<URLSearchParams>
  close(): void
}

/** What the broker gives a provider. */
export interface ProviderHost {
  /** Name of the instance in the config file. */
  readonly name: string
  readonly clock: Clock
  readonly log: Logger
  /** HTTP to the upstream, under the config's `network` rules (CA, addresses, time limits); never follows redirects. */
  readonly fetch: typeof globalThis.fetch
  /** A sealed secret of this instance by its login field's name; throws JitError `store.sealed` or `provider.login`. */
  secret(name: string): Secret
  /** Whether there is a secret of this name: for providers whose ways to log in take different ones. Throws `store.sealed`. */
  hasSecret(name: string): boolean
  /**
   * Seals a secret of this instance in place of what stood under its name: one that the upstream renewed. From when this resolves it
   * outlives the daemon. Of a registration that was replaced meanwhile it is not stored. Throws `store.sealed`, `store.unavailable`.
   */
  keep(name: string, secret: Secret): Promise<void>
  /**
   * Who acts, as a JWT for an upstream that takes an actor token: `iss` and `sub` name this jit and the human, `act` nests
   * session, server and tool; EdDSA, `aud` as given, five minutes. Throws JitError `store.sealed`.
   */
  principalToken(principal: MintRequest['principal'], audience: string): Promise<string>
}

export interface Provider {
  /** Origin that request rules without a host mean, e.g. `https://api.github.com`. */
  readonly origin: string
  /** Milliseconds from its mint after which no lease is used, whatever the policy says and however long the upstream lets it live. */
  readonly maxTtl?: number
  /**
   * Of a kind whose credentials are for the server at `origin` alone: the scope of all that they may do there, which `jit add`
   * writes for that server where nothing narrower is said.
   */
  readonly wholeScope?: JsonObject
  /** Where it depends on the upstream, and not on the kind alone: as far as it is known. The plugin's when absent. */
  readonly revocation?: ProviderPlugin['revocation']
  /** Where its shape depends on the config; the plugin's when absent. */
  placeholder?(random: string): string
  /**
   * Proves the registration with the least privilege: a real mint that is revoked again. Answers facts for people
   * (account, installation, granted permissions). Throws like `mint`.
   */
  prove(signal: AbortSignal): Promise<Readonly<Record<string, Json>>>
  /**
   * Mints a credential of exactly the asked scope: never more, never cached, never retried here.
   * Throws JitError `provider.refused` (4xx: asking again will not help), `provider.unavailable` (5xx, 429, network, time:
   * `details.retryAfter` in milliseconds where the upstream says so) or `provider.scope`. No error carries a secret.
   *
   * A mint that failed is `lost` when a credential may exist that nobody holds: the broker then reports it until the longest
   * it can live. `provider.unavailable` is taken for lost, unless the provider says what it knows in `details`:
   * - `sent: false`: it is certain that this mint left no credential. Either the request that mints was never sent (a step
   *   before it failed; `neverSent(error)`: no address, no connection, no trusted certificate), or the upstream turned it
   *   away unread (429). Never set after a connection that was cut, a time-out or an abort: the upstream may have acted.
   * - `status`: what the upstream answered, a number. 4xx and 5xx mean that it made nothing, but 502 and 504, which a
   *   gateway gives for an upstream that may have acted.
   * - `sent: true`: what made a credential was sent, whatever the causes of this error say of a later request.
   * What a provider mints only to find something out is ended before `mint` returns; where that fails, `mint` fails with
   * `sent: true`.
   */
  mint(request: MintRequest, signal: AbortSignal): Promise<Credential>
  /** Ends one credential upstream. Ending a dead one is no error. Absent: the upstream has no such thing. */
  revoke?(credential: Credential, signal: AbortSignal): Promise<RevokeOutcome>
  /** granted ⊆ asked; checked after every mint. Errs towards false. */
  covers(granted: JsonObject, asked: JsonObject): boolean
  /** What a lane must not mix, e.g. `acme/web`; two scopes of one partition may share a child process. */
  partition(scope: JsonObject): string
  /** What is touched, for people, e.g. `acme/web`. */
  describe(scope: JsonObject): string
  /** What the upstream will be asked for, exactly, for `jit explain`: a session policy, policies by name. No I/O. Absent: the scope says it. */
  asks?(scope: JsonObject): JsonObject
  /**
   * Headers (in lower case) that each request with its credentials carries, whatever the client says there; null: none. A request
   * rule that names such a header decides it instead. No secrets.
   */
  readonly requestHeaders?: Readonly<Record<string, string | null>>
  /**
   * Variables for the server beside those that `inject` names: a region, what keeps clients from other credentials, and with a
   * placeholder (modes egress and endpoint) its halves.
   */
  environment?(placeholder: string | undefined): Readonly<Record<string, string>>
  /**
   * What a remote MCP server said to a request with a credential of this provider: 401 or 403, and its WWW-Authenticate, a stranger's
   * text. Answers what a person can do about it; undefined when it means nothing more than that: after a 401 a new credential is
   * minted then, once, and the request sent again. Asked about a 401 once for each lease.
   */
  challenged?(status: number, challenge: string | undefined, credential: Credential): Promise<JitError | undefined>
  /** Ends the login itself upstream, before its secrets are deleted. Absent: there is no such thing. */
  logOut?(signal: AbortSignal): Promise<RevokeOutcome>
  close?(): Promise<void>
}

export interface MintRequest {
  readonly lease: string
  readonly scope: JsonObject
  /** Milliseconds the broker wants to use it; an upstream with a longer minimum may exceed it. */
  readonly ttl: number
  /** For the upstream's own log, where it has room for it. */
  readonly principal: {
    readonly human: string
    readonly agent: string
    readonly session: string
    readonly server: string
    readonly tool: string
  }
}

export interface Credential {
  /** Named parts; `token` for bearer tokens. */
  readonly secrets: Readonly<Record<string, Secret>>
  /** Which of these parts are names, and prove nothing: a user, an account, a namespace. They are not scrubbed from anything. */
  readonly notSecret?: readonly string[]
  /** Milliseconds since 1970, as the upstream said. */
  readonly expiresAt: number
  /** What the upstream really granted, in the form of a scope. */
  readonly granted: JsonObject
  /** The hash under which the upstream's own log names this credential, where it does. */
  readonly upstreamHash?: string
}

export type RevokeOutcome =
  | { readonly outcome: 'revoked'; readonly verified: boolean }
  | { readonly outcome: 'accepted'; readonly detail: string }
  | { readonly outcome: 'expires'; readonly validUntil: number; readonly detail: string }
  /** Cut off here; there it was never anything but the long-lived key, which stays valid until it is rotated. */
  | { readonly outcome: 'kept'; readonly detail: string }
