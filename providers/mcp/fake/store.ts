interface Stored {
  readonly exp?: number
  readonly grantId?: string
  readonly uid?: string
  readonly [name: string]: unknown
}

/** Where the real authorization server keeps what it knows, so that a test can see what it would accept. */
export class Store {
  readonly #rows = new Map<string, { readonly kind: string; payload: Stored }>()
  readonly #endsAlone: boolean

  /** `endsAlone`: the end of one token is not that of the others of its login. */
  constructor(endsAlone: boolean) {
    this.#endsAlone = endsAlone
  }

  /** The adapter that the server asks for, once for each kind of thing it stores. */
  readonly adapter = (kind: string): object => {
    const rows = this.#rows
    const key = (id: string): string => `${kind}:${id}`
    const find = (wanted: (payload: Stored) => boolean): Stored | undefined =>
      [...rows.values()].find((row) => row.kind === kind && wanted(row.payload))?.payload
    return {
      upsert: async (id: string, payload: Stored) => void rows.set(key(id), { kind, payload: { ...payload } }),
      find: async (id: string) => rows.get(key(id))?.payload,
      findByUid: async (uid: string) => find((payload) => payload.uid === uid),
      findByUserCode: async () => undefined,
      destroy: async (id: string) => void rows.delete(key(id)),
      consume: async (id: string) => {
        const row = rows.get(key(id))
        if (row !== undefined) row.payload = { ...row.payload, consumed: Math.floor(Date.now() / 1000) }
      },
      revokeByGrantId: async (grant: string) => {
        if (!this.#endsAlone) for (const [at, { payload }] of rows) if (payload.grantId === grant) rows.delete(at)
      },
    }
  }

  /** What is stored of a token that is good now. */
  find(kind: 'AccessToken' | 'RefreshToken', token: string): Stored | undefined {
    const payload = this.#rows.get(`${kind}:${token}`)?.payload
    return payload !== undefined && (payload.exp ?? 0) * 1000 > Date.now() && payload['consumed'] === undefined ? payload : undefined
  }

  /** As a server that lost its memory of them. */
  forget(kind: 'AccessToken'): void {
    for (const at of this.#rows.keys()) if (at.startsWith(`${kind}:`)) this.#rows.delete(at)
  }

  alive(kind: 'AccessToken' | 'RefreshToken'): number {
    return [...this.#rows.keys()].filter((at) => at.startsWith(`${kind}:`) && this.find(kind, at.slice(kind.length + 1)) !== undefined)
      .length
  }
}
