import { dirname } from 'node:path'
import type { Config } from '../config/schema.ts'
import { ProblemList } from '../config/problems.ts'
import { withSelf } from '../config/self.ts'
import type { LoadedConfig, PresetSource } from '../config/types.ts'
import { canonicalJson } from '../core/json.ts'
import { JitError, toJitError } from '../core/errors.ts'
import type { Secret } from '../core/secret.ts'
import type { Surroundings } from '../core/types.ts'
import { createNetwork, type Network } from '../network/network.ts'
import { unreachableNetwork } from '../network/unreachable.ts'
import { compilePolicy } from '../policy/compile.ts'
import type { CompiledPolicy } from '../policy/types.ts'
import type { Opened, Opening, Registry } from './registry.ts'

/** Secrets of a provider that is being registered. */
export interface FreshSecrets {
  readonly provider: string
  readonly secrets: ReadonlyMap<string, Secret>
}

/** All that runs by a config, made but not in use. */
export interface Build {
  readonly policy: CompiledPolicy
  /** It is what runs from here on. Never throws. */
  enter(): void
  discard(): void
}

/** What an entered config took the place of. */
export interface Entered {
  readonly before: CompiledPolicy | undefined
  readonly after: CompiledPolicy
  /** Providers that changed or are gone; closed by whoever is told. */
  readonly retired: readonly Opened[]
}

export interface BuilderDeps extends Surroundings {
  readonly registry: Registry
  readonly presets: PresetSource
  readonly configFile: string
  entered(config: Config, change: Entered): void
}

export interface Builder {
  /** Throws `config.invalid` with the place in the file, whatever cannot be made. */
  build(loaded: LoadedConfig, options?: { readonly fresh?: FreshSecrets; readonly unreachable?: JitError }): Build
  /** The one in use. */
  readonly network: Network
}

/** Makes the new parts before the old ones end, so that a config which cannot be used changes nothing. */
export function createBuilder(deps: BuilderDeps): Builder {
  const { registry, presets, clock, log } = deps
  const baseFolder = dirname(deps.configFile)
  let network: Network | undefined
  let networkKey = ''
  let policy: CompiledPolicy | undefined

  const end = (one: Network | undefined): void => {
    one?.close().catch((error: unknown) => log.warn('network not closed', { error: String(error) }))
  }
  return {
    get network() {
      if (network === undefined) throw new JitError('internal', 'the network is not configured yet')
      return network
    },
    build(loaded, { fresh, unreachable } = {}) {
      const key = unreachable === undefined ? canonicalJson(JSON.parse(JSON.stringify(loaded.config.network))) : 'unreachable'
      const opening = asProblem(loaded, ['providers'], () => registry.prepare(loaded.config.providers, fresh))
      let made: Network | undefined
      let next: CompiledPolicy
      try {
        made = unreachable === undefined ? makeNetwork(loaded, { baseFolder, clock, log }) : unreachableNetwork(unreachable)
        next = compilePolicy({ ...loaded, config: withSelf(loaded.config) }, opening.facts, presets)
      } catch (error) {
        end(made)
        opening.discard()
        throw error
      }
      const parts = { made, next, opening }
      return { policy: next, enter: () => enter(parts, key, loaded.config), discard: () => discard(parts) }
    },
  }

  function enter({ made, next, opening }: { made: Network; next: CompiledPolicy; opening: Opening }, key: string, config: Config): void {
    if (key === networkKey) end(made)
    else {
      end(network)
      network = made
      networkKey = key
    }
    const before = policy
    policy = next
    deps.entered(config, { before, after: next, retired: opening.enter() })
  }

  function discard({ made, opening }: { made: Network; opening: Opening }): void {
    end(made)
    opening.discard()
  }
}

function makeNetwork(loaded: LoadedConfig, place: Surroundings & { readonly baseFolder: string }): Network {
  return asProblem(loaded, ['network'], () => createNetwork(loaded.config.network, place))
}

/** What a part says is wrong with the config, at its place in the file. */
function asProblem<T>(loaded: LoadedConfig, path: readonly string[], make: () => T): T {
  try {
    return make()
  } catch (error) {
    const failure = toJitError(error)
    const problems = new ProblemList(loaded.file, loaded.source)
    const [, section = ''] = /^network\.(ca|hosts)\b/.exec(failure.message) ?? []
    // The place is named before the message, so not again by it.
    problems.add(section === '' ? path : [...path, section], failure.message.replace(`network.${section}: `, ''))
    problems.throwIfAny()
    throw error
  }
}
