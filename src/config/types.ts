import type { z } from 'zod'
import type { Config, Preset } from './schema.ts'

/** Where everything lives. With JIT_HOME all of it is in that one folder. */
export interface Paths {
  readonly configFile: string
  /** Folder 0700: store, audit trail, pinned packages, CA, log. */
  readonly state: string
  /** Folder 0700: sockets. Its own short folder when `state` would make a socket's path longer than 100 bytes. */
  readonly runtime: string
  readonly apiSocket: string
  readonly connectSocket: string
  readonly database: string
  readonly auditFolder: string
  readonly packages: string
  readonly logFile: string
}

/** Finds a path inside the config's text again, for messages: `servers.github.allow[0]` → line and column, from 1. */
export interface SourceMap {
  locate(path: readonly (string | number)[]): { readonly line: number; readonly column: number } | undefined
}

export interface LoadedConfig {
  readonly config: Config
  readonly file: string
  /** The bytes as read, and their SHA-256 in hex. */
  readonly text: string
  readonly digest: string
  readonly source: SourceMap
}

/** One finding about a config file. */
export interface ConfigProblem {
  readonly file: string
  readonly line: number
  readonly column: number
  /** `servers.github.alow` */
  readonly path: string
  readonly message: string
  /** `Did you mean "allow"?` */
  readonly suggestion?: string
}

/** A preset by its name. */
export interface PresetSource {
  (name: string): Preset | undefined
  /** Those that exist, for suggestions. */
  readonly names?: readonly string[]
}

/** What the config is checked against: each kind's own schema of a provider entry, and the presets that exist. */
export interface ConfigCheck {
  readonly kinds: ReadonlyMap<string, z.ZodType>
  readonly presets: PresetSource
}
