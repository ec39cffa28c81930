import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { z } from 'zod'
import type { Stage } from '../support/stage.ts'

/** What an upstream's answer to a mint takes by itself: the same request over a kept connection, its proof made beforehand. */
export interface MintFloor {
  mint(): Promise<void>
  close(): Promise<void>
}

const installation = z.object({ id: z.number() })

export async function openMintFloor(stage: Stage): Promise<MintFloor> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const ca = readFileSync(join(stage.home, 'stand-in-ca.pem'), 'utf8')
  const now = Math.floor(Date.now() / 1000)
  const jwt = await new SignJWT({ iat: now - 30, exp: now + 500, iss: String(stage.appId) })
    .setProtectedHeader({ alg: 'RS256' })
    .sign(createPrivateKey(readFileSync(stage.keyFile)))
  const ask = (method: string, path: string, token: string, body?: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const asked = request(
        {
          agent,
          ca,
          host: '127.0.0.1',
          servername: 'api.github.com',
          port: stage.github.port,
          method,
          path,
          headers: {
            host: 'api.github.com',
            'user-agent': 'bench',
            accept: 'application/vnd.github+json',
            authorization: `Bearer ${token}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
          },
        },
        (answer) => {
          let text = ''
          answer.setEncoding('utf8').on('data', (part: string) => (text += part))
          answer.once('end', () => {
            const status = answer.statusCode ?? 0
            if (status >= 300) reject(new Error(`${method} ${path}: ${status} ${text.slice(0, 200)}`))
            else resolve(text === '' ? undefined : JSON.parse(text))
          })
        },
      )
      asked.once('error', reject)
      asked.end(body)
    })
  const { id } = installation.parse(await ask('GET', '/users/acme/installation', jwt))
  // As jit asks: by the repository's id, which it keeps for a while.
  const body = JSON.stringify({ repositories: ['web'], permissions: { issues: 'read' } })
  const tokens: string[] = []
  return {
    async mint() {
      const minted = z.object({ token: z.string() }).parse(await ask('POST', `/app/installations/${id}/access_tokens`, jwt, body))
      tokens.push(minted.token)
      stage.github.end(minted.token)
    },
    async close() {
      agent.destroy()
    },
  }
}
