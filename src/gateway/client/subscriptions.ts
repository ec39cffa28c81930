import type { ServerConfig } from '../../config/schema.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Ending } from '../ending.ts'
import type { Id } from '../protocol/jsonrpc.ts'
import { parseLine, paramsOf, withParams } from '../protocol/params.ts'

const kinds = ['tools', 'resources', 'prompts'] as const
type Kind = (typeof kinds)[number]

export const subscriptionKey = 'io.modelcontextprotocol/subscriptionId'
const acknowledgement = 'notifications/subscriptions/acknowledged'

/** One `subscriptions/listen` that is open. */
export interface Subscription {
  readonly id: Id
  readonly ending: Ending
  /** The lists that its client asked to be told of. */
  readonly wanted: readonly Kind[]
  /** Those of which it was told that it will be; undefined before the acknowledgement, until which nothing may be said. */
  promised: readonly Kind[] | undefined
}

export interface News {
  readonly line: string
  /** The request that it belongs to, by its id as JSON. */
  readonly about: string | undefined
}

/**
 * Subscriptions of one client (2026-07-28, basic/patterns/subscriptions). A list changes when its server changes it, and when policy
 * does, which jit alone knows of. So jit promises the second where the server promises nothing: of lists that the client asked for
 * and of which the config allows something.
 */
export class Subscriptions {
  readonly #config: () => ServerConfig | undefined
  /** By the id as JSON. */
  readonly #open = new Map<string, Subscription>()

  /** `config`: of the server; undefined when there is none any more. */
  constructor(config: () => ServerConfig | undefined) {
    this.#config = config
  }

  /** `end` forgets it. */
  begin(id: Id, key: string, params: JsonObject, ending: Ending): { end(): void } {
    const { notifications: filter } = params
    const wanted = isJsonObject(filter) ? kinds.filter((kind) => filter[`${kind}ListChanged`] === true) : []
    const made: Subscription = { id, ending, wanted, promised: undefined }
    this.#open.set(key, made)
    return {
      end: () => {
        if (this.#open.get(key) === made) this.#open.delete(key)
      },
    }
  }

  /** By the id as JSON. */
  get(key: string): Subscription | undefined {
    return this.#open.get(key)
  }

  /**
   * What a server says of one of them (its id as JSON), as its client gets it. Undefined for another acknowledgement: a subscription
   * that goes on with a new process or session of its server is the same to its client.
   */
  passing(key: string, method: string, line: string): string | undefined {
    const subscription = this.#open.get(key)
    if (subscription === undefined || method !== acknowledgement) return line
    if (subscription.promised !== undefined) return undefined
    const value = parseLine(line)
    const acknowledged = filterIn(value)
    const added = subscription.wanted.filter((kind) => acknowledged[`${kind}ListChanged`] !== true && this.#allows(kind))
    subscription.promised = subscription.wanted.filter((kind) => acknowledged[`${kind}ListChanged`] === true || added.includes(kind))
    if (added.length === 0) return line
    const promises = Object.fromEntries(added.map((kind) => [`${kind}ListChanged`, true]))
    return withParams(value, { notifications: { ...acknowledged, ...promises } })
  }

  /** Policy changed, which decides what stands in lists. */
  get news(): readonly News[] {
    return [...this.#open].flatMap(([about, { id, promised = [] }]) =>
      promised.map((kind) => ({
        line: JSON.stringify({
          jsonrpc: '2.0',
          method: `notifications/${kind}/list_changed`,
          params: { _meta: { [subscriptionKey]: id } },
        }),
        about,
      })),
    )
  }

  #allows(kind: Kind): boolean {
    const config = this.#config()
    if (config === undefined) return false
    if (kind !== 'tools') return config[kind].length > 0
    return config.allow.length > 0 || config.ask.length > 0 || Object.keys(config.tools).length > 0
  }
}

function filterIn(value: JsonObject): JsonObject {
  const { notifications: filter } = paramsOf(value)
  return isJsonObject(filter) ? filter : {}
}
