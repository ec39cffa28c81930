import type { z } from 'zod'
import { type ProviderView, registerProvider } from '../api/schema.ts'
import { JitError, quote } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { Secret } from '../core/secret.ts'
import type { LoginHost, ProviderPlugin } from '../provider/contract.ts'
import { listenForLogin } from './login-callback.ts'
import { problemsFromZod } from './problems.ts'
import { byCommandLine } from './routes/route.ts'
import type { Opened } from './registry.ts'
import type { Daemon } from './types.ts'

type Asked = z.infer<typeof registerProvider>
type Secrets = ReadonlyMap<string, Secret>

/** The person's browser, as far as the daemon reaches it. */
export interface Browser {
  readonly show: LoginHost['show']
  /** Ends when nobody waits for the login any more. */
  readonly signal: AbortSignal
}

export type Registered = Omit<ProviderView, 'proof'> & {
  /** What the proof found. */
  readonly proof: Readonly<Record<string, Json>>
}

/** Milliseconds */
const proofTimeout = 30_000
const undoTimeout = 10_000

/** A registration that says what it must; nothing was asked upstream. */
export interface Checked {
  readonly asked: Asked
  readonly plugin: ProviderPlugin
  readonly config: unknown
  readonly entry: JsonObject
  readonly secrets: Secrets
}

/** Throws `usage`, `conflict`, `store.sealed`, and what a config with this entry would throw. */
export function checkRegistration(daemon: Daemon, body: unknown): Checked {
  const asked = registerProvider.parse(body)
  if (daemon.sealer.state === 'sealed') throw new JitError('store.sealed', 'the secret store is sealed')
  const checked = readRegistration(daemon, asked)
  refuseSecond(daemon, asked)
  daemon.configuration.draft(editOf(checked))
  return checked
}

/**
 * Proved by a real mint first; then sealed secret, config and running provider change together, or nothing does. With `browser`, a
 * kind that logs in there does so before it is proved; what that login got ends upstream again if nothing comes of it.
 */
export async function register(daemon: Daemon, checked: Checked, views: () => ProviderView[], browser?: Browser): Promise<Registered> {
  const { registry, configuration } = daemon
  const { asked, plugin, entry } = checked
  const { name } = asked
  const got = await logIn(daemon, checked, browser)
  const opened = registry.open(name, entry, new Map([...checked.secrets, ...(got ?? [])]))
  try {
    const proof = await opened.provider.prove(AbortSignal.timeout(proofTimeout))
    browser?.signal.throwIfAborted()
    // The proof took its time: the same name may be registered by now.
    refuseSecond(daemon, asked)
    // As they are after the proof, which may have renewed them.
    const secrets = opened.box.secrets ?? checked.secrets
    const write = await daemon.vault.prepare(name, secrets)
    configuration.edit(editOf(checked), byCommandLine, {
      fresh: { provider: name, secrets },
      write,
      records: [{ type: 'provider.registered', by: byCommandLine, detail: { name, kind: plugin.kind, proof } }],
    })
    const view = views().find((known) => known.name === name)
    if (view === undefined) throw new JitError('internal', `provider ${quote(name)} was registered and is not there`)
    return { ...view, proof }
  } catch (error) {
    if (got !== undefined) await logOut(daemon, opened)
    throw error
  } finally {
    registry.close(opened)
  }
}

function editOf({ asked, entry }: Pick<Checked, 'asked' | 'entry'>): { set: 'providers'; name: string; entry: JsonObject } {
  return { set: 'providers', name: asked.name, entry }
}

/** What the browser led to; undefined where nothing is done there. */
async function logIn(daemon: Daemon, checked: Checked, browser: Browser | undefined): Promise<Secrets | undefined> {
  const { plugin, config, secrets } = checked
  const { name } = checked.asked
  if (plugin.browser?.applies(config) !== true) return undefined
  if (browser === undefined)
    throw new JitError('usage', `${plugin.kind} logs in through the browser, which this request has not`, {
      hint: `Run \`jit login ${plugin.kind}\`.`,
    })
  const previous = daemon.registry.secretsOf(name)
  const host: LoginHost = {
    ...daemon.registry.hostOf(name, { secrets }),
    previous: (field) => previous?.get(field),
    listen: (place) => listenForLogin(place, daemon.clock),
    show(url, notes) {
      refuseAddress(url)
      browser.show(url, notes)
    },
  }
  return new Map(Object.entries(await plugin.browser.logIn(config, host, browser.signal)))
}

/** What browsers take, and what a person is shown of one address. */
const longestAddress = 8192

/** Whatever a stranger's metadata made of it: the browser is sent to pages only, and in clear text only on this machine. */
function refuseAddress(address: string): void {
  if (address.length > longestAddress)
    throw new JitError('provider.refused', `the address of the page to log in at has ${address.length} characters`, {
      hint: 'Its server asks for too much at once: choose some of it, with --scopes.',
    })
  const url = URL.parse(address)
  const isLocal = url?.protocol === 'http:' && /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(url.hostname)
  if (url === null || (url.protocol !== 'https:' && !isLocal) || url.username !== '' || url.password !== '')
    throw new JitError('provider.refused', `the browser is not sent to ${quote(address)}`)
}

/** A login that leads to nothing leaves nothing upstream, as far as that is in our hands. */
async function logOut(daemon: Daemon, { name, provider }: Opened): Promise<void> {
  await provider
    .logOut?.(AbortSignal.timeout(undoTimeout))
    .catch((error: unknown) => daemon.log.warn('login not ended', { provider: name, error: String(error) }))
}

function readRegistration({ registry }: Daemon, asked: Asked): Checked {
  const plugin = registry.plugin(asked.kind)
  const config = plugin.config.safeParse(asked.config)
  if (!config.success) throw new JitError('usage', problemsFromZod(config.error))
  const secrets = new Map(Object.entries(asked.secrets).map(([field, value]) => [field, new Secret(value)]))
  const missing = plugin.login.find((field) => field.secret && field.required && !secrets.has(field.name))
  if (missing !== undefined) throw new JitError('usage', `${missing.label} is missing`, { hint: missing.help })
  const unknown = [...secrets.keys()].find((field) => !plugin.login.some((known) => known.secret && known.name === field))
  if (unknown !== undefined) throw new JitError('usage', `${plugin.kind} has no secret named ${quote(unknown)}`)
  return { asked, plugin, config: config.data, entry: { ...asked.config, kind: asked.kind }, secrets }
}

function refuseSecond({ registry }: Daemon, { name, replace }: Asked): void {
  if (registry.get(name) === undefined || replace) return
  throw new JitError('conflict', `there is a provider ${quote(name)} already`, { hint: 'Choose another name, or give --replace.' })
}
