interface Stored {
  readonly exp?: number
  readonly [name: string]: unknown
}

/** Where the real server keeps its opaque tokens, so that a test can see what it would accept. */
export class TokenStore {
  readonly #rows = new Map<string, { kind: string; payload: Stored }>()

  /** The adapter that the server asks for, once for each kind of thing it stores. */
  readonly adapter = (kind: string): object => {
    const rows = this.#rows
    const key = (id: string): string => `${kind}:${id}`
    return {
      upsert: async (id: string, payload: Stored) => void rows.set(key(id), { kind, payload }),
      find: async (id: string) => rows.get(key(id))?.payload,
      destroy: async (id: string) => void rows.delete(key(id)),
      consume: async () => undefined,
      revokeByGrantId: async () => undefined,
      findByUid: async () => undefined,
      findByUserCode: async () => undefined,
    }
  }

  /** What is stored of a token that is good now. */
  find(token: string): Stored | undefined {
    const payload = this.#rows.get(`ClientCredentials:${token}`)?.payload
    return payload !== undefined && (payload.exp ?? 0) * 1000 > Date.now() ? payload : undefined
  }

  alive(): number {
    return [...this.#rows.values()].filter(({ kind, payload }) => kind === 'ClientCredentials' && (payload.exp ?? 0) * 1000 > Date.now())
      .length
  }
}
