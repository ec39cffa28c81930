import { type CryptoKey, SignJWT } from 'jose'

/** Who acts, as upstreams are told: the human who is answerable, and what acts for them. */
export interface ActingPrincipal {
  readonly human: string
  readonly agent: string
  readonly session: string
  readonly server: string
  readonly tool: string
}

export interface PrincipalSigner {
  readonly key: CryptoKey
  /** RFC 7638 thumbprint of the public key; it names this jit in `iss` as well. */
  readonly kid: string
}

/** Seconds; long enough for one exchange with clocks that differ, too short to be kept. */
const life = 300

/**
 * A principal chain as a JWT (EdDSA, five minutes, RFC 8693's `act` for who acts for whom): the tool of a server, called by
 * an agent, for a human. An upstream that knows the public key (`principal-keys.json` beside the store) can decide on it.
 */
export function signPrincipal(signer: PrincipalSigner, principal: ActingPrincipal, audience: string, now: number): Promise<string> {
  const { human, agent, session, server, tool } = principal
  const issuedAt = Math.floor(now / 1000)
  return new SignJWT({ act: { sub: `server:${server}`, tool, act: { sub: `agent:${agent}`, session } } })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT', kid: signer.kid })
    .setIssuer(`urn:jit:${signer.kid}`)
    .setSubject(`human:${human}`)
    .setAudience(audience)
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(issuedAt + life)
    .sign(signer.key)
}
