import type { Config, ServerConfig } from '../config/schema.ts'
import type { JitError } from '../core/errors.ts'

/** What a server's `sandbox` comes to on this machine. */
export interface Verdict {
  readonly used: boolean
  /** `remote`: there is no process to confine. */
  readonly kind: 'bubblewrap' | 'seatbelt' | 'none' | 'remote'
  /**
   * `broker`: no way out but the broker's; `machine`: as without a sandbox, since the server holds its credential and makes its
   * own connections.
   */
  readonly network: 'broker' | 'machine'
  /** One sentence for people: why, and what it means. */
  readonly reason: string
  /** What to do; empty when there is nothing. */
  readonly advice: string
}

/** A command as it would run without a sandbox. */
export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** Of an installed package, all of which the program may read. */
  readonly folder?: string
  /** Values of its variables in the config: files among them are meant for it. */
  readonly named?: readonly string[]
  /** Files that are handed to it by their names in its environment. */
  readonly files?: readonly string[]
}

/** What leads from the box to the broker; see `LaneNetwork` of egress. */
export interface BoxNetwork {
  /** Ports of the machine's own loopback, where the box cannot be without it. */
  readonly ports: readonly number[]
  readonly doors: readonly { readonly port: number; readonly socket: string }[]
  /** Names that lead to the doors, like a hosts file. */
  readonly hosts: readonly string[]
  /** PEM file of the authority to trust. */
  readonly caFile: string
}

/** The command that runs in its place. */
export interface Boxed {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly environment: Readonly<Record<string, string>>
  /** Written to the child's file descriptor 3: what must not stand in any command line. */
  readonly handed?: string
}

/** Of one lane, while it lives. */
export interface Box {
  readonly kind: Verdict['kind']
  readonly network: Verdict['network']
  /** Private folder: the broker's doors belong here. */
  readonly folder: string
  /** Throws JitError `server.start`. */
  enter(program: Program, environment: Readonly<Record<string, string>>, network: BoxNetwork | undefined): Boxed
  /** Removes what stands on disk for it. Never throws. */
  close(): void
}

export interface Sandbox {
  /** What this machine can do; asks it the first time, and with `again` anew. */
  machine(again?: boolean): Promise<Pick<Verdict, 'used' | 'kind' | 'reason' | 'advice'>>
  judge(server: ServerConfig): Promise<Verdict>
  /**
   * Why what the config (in force when absent) declares of a server cannot be shown to it now, as its start would fail with;
   * undefined: it can. `details` has the option (`readable`, `writable`) and what is `given` there.
   */
  problem(server: string, config?: Config): JitError | undefined
  /**
   * Throws JitError `server.start` for a program that this server or another one in a sandbox could change. `path`: where the
   * program's interpreters are looked for, its PATH.
   */
  check(server: string, program: Program, path: string): void
  /** Undefined: the server runs without one. Throws JitError `server.start` where it must have one and cannot. */
  open(server: string): Promise<Box | undefined>
}

/** Something that stands in the box; `source` is outside, `target` inside. Both absolute and without links, but a link's text. */
export type Mount =
  | { readonly kind: 'read' | 'write' | 'device'; readonly source: string; readonly target: string }
  | { readonly kind: 'link'; readonly text: string; readonly target: string }
  | { readonly kind: 'empty' | 'folder' | 'processes'; readonly target: string }
