import {
  type Credential,
  holdsInvisible,
  JitError,
  type JsonObject,
  type Provider,
  type ProviderHost,
  type ProviderPlugin,
  quote,
  Secret,
} from '../../src/provider/index.ts'
import { type StaticConfig, staticConfig, staticScope } from './config.ts'

/** A key that nobody can mint short-lived: sealed here, put into requests that a rule allows, and never into a server. */
export const staticKey: ProviderPlugin<StaticConfig> = {
  kind: 'static',
  summary: 'a key that cannot be minted short-lived: it stays sealed, and only requests that a rule allows get it',
  config: staticConfig,
  scope: staticScope,
  revocation: 'never',
  longLived: true,
  login: [
    {
      name: 'origin',
      label: 'Origin',
      help: 'what the key is for: https://gitlab.example.com',
      secret: false,
      required: true,
      type: 'text',
    },
    {
      name: 'placeholderPrefix',
      label: 'Prefix',
      help: 'what servers expect a key to start with, e.g. glpat-',
      secret: false,
      required: false,
      type: 'text',
    },
    { name: 'note', label: 'Note', help: 'whose key it is, where it is rotated', secret: false, required: false, type: 'text' },
    { name: 'key', label: 'Key', help: 'a file with the key, or - for stdin', secret: true, required: true, type: 'text' },
  ],
  example: 'gitlab --origin https://gitlab.example.com --placeholder-prefix glpat- --key key.txt',
  placeholder: placeholderOf,
  checkField: (_, value) => (holdsInvisible(value) ? 'it holds an invisible character' : undefined),
  open: openStatic,
}

/** Milliseconds by which the broker ends a lease before its upstream would: here there is no such end, so the lease keeps its time. */
const expiryMargin = 10_000
const keptDetail = 'the key itself is valid there until somebody rotates it'

function openStatic(config: StaticConfig, host: ProviderHost): Provider {
  const readKey = (): Secret => {
    // A Secret of its own for each lease: the end of one must not end the scrubbing of another's. A file ends in a line break.
    const key = new Secret(host.secret('key').reveal().trim())
    if (key.length < 8 || !/^[\x21-\x7e]+$/.test(key.reveal()))
      throw new JitError(
        'provider.login',
        `the key of provider ${host.name} is shorter than 8 characters, or has some that no header carries`,
      )
    return key
  }
  return {
    origin: config.origin,
    maxTtl: config.maxTtl,
    placeholder: (random) => placeholderOf(random, config.placeholderPrefix),
    async mint({ scope, ttl }, signal): Promise<Credential> {
      signal.throwIfAborted()
      return { secrets: { token: readKey() }, expiresAt: host.clock.now() + ttl + expiryMargin, granted: { about: aboutOf(scope) } }
    },
    async revoke() {
      return { outcome: 'kept', detail: keptDetail }
    },
    covers: (granted, asked) => staticScope.safeParse(granted).success && granted['about'] === asked['about'],
    partition: aboutOf,
    describe: aboutOf,
    asks: () => ({ nothing: 'the whole key is used, and only the request rules narrow what for' }),
    // There is no other key to try instead.
    async challenged(status) {
      if (status !== 401) return undefined
      return new JitError('provider.login', `the key of provider ${host.name} is not taken`, {
        hint: `Register it anew (\`jit login static ${host.name} --replace\`), and check that it is meant for this server.`,
      })
    },
    async prove() {
      const { length } = readKey()
      return {
        origin: config.origin,
        key: `${length} characters`,
        proof: 'none: nothing was asked there, so whether the key is good shows with the first call',
        ...(config.note === undefined ? {} : { note: config.note }),
      }
    },
  }
}

function placeholderOf(random: string, prefix = 'jit_'): string {
  return `${prefix}${random.slice(0, 40)}`
}

function aboutOf(scope: JsonObject): string {
  const parsed = staticScope.safeParse(scope)
  if (!parsed.success) throw new JitError('provider.scope', `not a scope of static: ${quote(scope)}`)
  return parsed.data.about
}
