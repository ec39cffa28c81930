import { createPrivateKey } from 'node:crypto'
import type { Octokit } from '@octokit/rest'
import { SignJWT } from 'jose'
import { z } from 'zod'
import { JitError, noAnswer, type ProviderHost, quote, redact, Secret } from '../../src/provider/index.ts'
import type { GithubAppConfig } from './config.ts'

type Authorization = { readonly app: true } | { readonly token: Secret }

/** One request to GitHub; answers status and parsed body. Failures are JitErrors of the provider contract. */
export type GithubApi = (
  route: string,
  parameters: Record<string, unknown>,
  authorization: Authorization,
  signal: AbortSignal,
) => Promise<{ status: number; data: unknown; date: string | undefined }>

export function createApi(config: GithubAppConfig, host: ProviderHost): GithubApi {
  let client: Promise<Octokit> | undefined
  const appToken = createAppToken(config, host)
  return async (route, parameters, authorization, signal) => {
    const carried = 'app' in authorization ? await appToken() : authorization.token
    client ??= openClient(config, host)
    try {
      const octokit = await client
      const { status, data, headers } = await octokit.request(route, {
        ...parameters,
        headers: { authorization: `Bearer ${carried.reveal()}`, 'x-github-api-version': '2022-11-28' },
        request: { signal },
      })
      if (status < 200 || status > 299) throw new JitError('provider.unavailable', `GitHub answered ${status} to ${route}`)
      return { status, data, date: headers.date }
    } catch (error) {
      throw explain(error, route, host, carried)
    }
  }
}

/** Loaded with the first request: a daemon that mints nothing does without its eight megabytes. */
async function openClient({ apiUrl }: GithubAppConfig, { fetch }: ProviderHost): Promise<Octokit> {
  const { Octokit } = await import('@octokit/rest')
  return new Octokit({ baseUrl: apiUrl.replace(/\/$/, ''), request: { fetch }, log: silent, userAgent: 'jit' })
}

/** Milliseconds for which the App's own proof is used; it lives for some minutes more, for clocks that differ. */
const proofUse = 300_000

/**
 * What the App proves itself with: RS256, one minute back for clocks that differ, nine minutes ahead (GitHub accepts ten). To sign
 * takes longer than all else of a mint here, so that one serves for a while. Throws while the key is sealed, whatever is kept.
 */
function createAppToken(config: GithubAppConfig, host: ProviderHost): () => Promise<Secret> {
  let kept: { readonly of: Secret; readonly at: number; readonly token: Promise<Secret> } | undefined
  return async () => {
    const pem = host.secret('privateKey')
    const now = host.clock.now()
    if (kept === undefined || kept.of !== pem || now < kept.at || now >= kept.at + proofUse) {
      const made = { of: pem, at: now, token: sign(config, host, pem, Math.floor(now / 1000)) }
      kept = made
      made.token.catch(() => {
        if (kept === made) kept = undefined
      })
    }
    return kept.token
  }
}

async function sign(config: GithubAppConfig, host: ProviderHost, pem: Secret, now: number): Promise<Secret> {
  let key
  try {
    // GitHub hands out PKCS#1, which WebCrypto does not read.
    key = createPrivateKey(pem.reveal())
  } catch {
    throw new JitError('provider.login', `the private key of provider ${host.name} is not a PEM key`, {
      hint: 'Give the file that GitHub downloaded when the key was generated.',
    })
  }
  if (key.asymmetricKeyType !== 'rsa') throw new JitError('provider.login', `the private key of provider ${host.name} is not an RSA key`)
  const token = await new SignJWT()
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(String(config.appId))
    .setIssuedAt(now - 60)
    .setExpirationTime(now + 540)
    .sign(key)
  return new Secret(token)
}

const failure = z.object({
  status: z.number(),
  message: z.string(),
  response: z.object({ headers: z.record(z.string(), z.unknown()), data: z.unknown() }).optional(),
})

/** `credential`: what the request carried. Whoever echoes it does so to people, to the trail and to the agent. */
function explain(error: unknown, route: string, host: ProviderHost, credential: Secret): JitError {
  const parsed = failure.safeParse(error)
  const response = parsed.success ? parsed.data.response : undefined
  if (!parsed.success || response === undefined) return noAnswer(`GitHub gave no proper answer to ${route}`, error, [credential])
  const { status } = parsed.data
  const said = quote(redact(messageOf(response.data), [credential]))
  const wait = retryAfter(response.headers, host.clock.now())
  if (status === 429 || (status === 403 && wait !== undefined)) {
    return new JitError('provider.unavailable', `GitHub limits the rate of requests: ${said}`, {
      details: { status, retryAfter: wait ?? 60_000, sent: false },
    })
  }
  if (status >= 500 || status < 400)
    return new JitError('provider.unavailable', `GitHub answered ${status} to ${route}: ${said}`, { details: { status } })
  if (status === 401) {
    return new JitError('provider.login', `GitHub does not accept the identity of provider ${host.name}: ${said}`, {
      hint: `Wrong App id or key, a deleted App, or a clock that is off (here: ${new Date(host.clock.now()).toISOString()}, GitHub: ${String(response.headers['date'] ?? '?')}). Register it again with \`jit login\`.`,
      details: { status },
    })
  }
  return new JitError('provider.refused', `GitHub answered ${status} to ${route}: ${said}`, {
    hint: hints[status] ?? 'Check what the App may do.',
    details: { status },
  })
}

const hints: Record<number, string> = {
  403: 'The installation may be suspended: look under the account’s Settings → GitHub Apps.',
  404: 'The App is not installed there, or the repository is not among those of the installation.',
  422: 'The installation does not have this repository or permission: change it under the account’s Settings → GitHub Apps → Configure.',
}

function messageOf(data: unknown): string {
  return typeof data === 'object' && data !== null && 'message' in data ? String(data.message) : ''
}

function retryAfter(headers: Record<string, unknown>, now: number): number | undefined {
  const seconds = Number(headers['retry-after'])
  if (Number.isFinite(seconds)) return seconds * 1000
  if (headers['x-ratelimit-remaining'] !== '0') return undefined
  return Math.max(1000, Number(headers['x-ratelimit-reset']) * 1000 - now)
}

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
