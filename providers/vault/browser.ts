import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { type BrowserLogin, JitError, quote, Secret } from '../../src/provider/index.ts'
import { createClient, type VaultAnswer, type VaultRequest, type VaultSend } from './client.ts'
import type { VaultConfig } from './config.ts'
import { explain } from './failure.ts'
import { authAnswer, parse, refuseBatch } from './login.ts'

const urlAnswer = z.object({ data: z.object({ auth_url: z.string() }) })

/** Milliseconds for each question to Vault. */
const stepTimeout = 30_000

/**
 * OpenID Connect by way of Vault: it makes the page's address, checks what comes back and gives a token of its own. The broker
 * hands the code on; `client_nonce` keeps anybody else who sees it from doing so.
 */
export const vaultLogin: BrowserLogin<VaultConfig> = {
  applies: ({ method }) => method === 'oidc',
  async logIn(config, host, signal) {
    const send = createClient(config, host)
    const within = (): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(stepTimeout)])
    // As Vault's own command line has it, so that roles that allow that one allow this.
    const callback = await host.listen({ host: 'localhost', port: config.redirectPort, path: '/oidc/callback' })
    try {
      const { mount = 'oidc', role } = config
      const path = ['auth', ...mount.split('/'), 'oidc']
      const nonce = randomBytes(32).toString('base64url')
      const start: VaultRequest = {
        method: 'POST',
        path: [...path, 'auth_url'],
        body: { redirect_uri: callback.redirectUri, client_nonce: nonce, ...(role === undefined ? {} : { role }) },
      }
      const { data } = parse(urlAnswer, await ask(send, start, host.name, within()), start)
      const page = readPage(data.auth_url, callback.redirectUri)
      host.show(page.url, [`Vault at ${quote(config.address)} sends you to ${quote(new URL(page.url).origin)} to say who you are`])
      const answer = await callback.wait(page.state, signal)
      const code = answer.get('code') ?? ''
      if (answer.has('error') || code === '')
        throw new JitError(
          'provider.refused',
          `the identity provider refused the login: ${quote(`${answer.get('error') ?? ''} ${answer.get('error_description') ?? ''}`.trim())}`,
        )
      const finish: VaultRequest = {
        method: 'GET',
        path: [...path, 'callback'],
        query: { state: page.state, code, client_nonce: nonce },
        hide: [new Secret(code), new Secret(nonce)],
      }
      const { auth } = parse(authAnswer, await ask(send, finish, host.name, within()), finish)
      if (auth.client_token.length < 8) throw new JitError('provider.login', `Vault logged provider ${host.name} in without a token`)
      refuseBatch(auth.token_type, host.name, `token_type=service on the role of auth/${mount}`)
      return { token: new Secret(auth.client_token) }
    } finally {
      callback.close()
    }
  },
}

/** The state is Vault's; without one of some length any page could send an answer. */
function readPage(address: string, redirectUri: string): { url: string; state: string } {
  const url = URL.parse(address)
  const state = url?.searchParams.get('state') ?? ''
  // What Vault says, in its own way, of a role or a way back that it does not know.
  if (address === '')
    throw new JitError('provider.login', 'Vault starts no login: it does not know the role, or the role does not allow this way back', {
      hint: `Add ${redirectUri} to allowed_redirect_uris of the role, or set --redirect-port; and check --role and --mount.`,
    })
  if (url === null || url.searchParams.get('redirect_uri') !== redirectUri || state.length < 16)
    throw new JitError('provider.refused', `Vault names a page that no login can come back from: ${quote(address)}`)
  return { url: url.href, state }
}

async function ask(send: VaultSend, request: VaultRequest, name: string, signal: AbortSignal): Promise<VaultAnswer['body']> {
  const answer = await send(request, signal)
  if (answer.status === 200) return answer.body
  const failure = await explain(answer, request, { name, send }, signal)
  if (failure.code === 'provider.unavailable') throw failure
  throw new JitError('provider.login', `provider ${name} could not log in by oidc: ${failure.message}`, {
    hint: 'Check `role`, `mount` and who may log in with that role.',
    details: failure.details,
  })
}
