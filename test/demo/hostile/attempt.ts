import type { Act, Place, Scene, Subject, TrailRecord } from './scene.ts'

/** One thing that the server tries, in as many ways as it knows. */
export interface Attempt {
  /** Stands in docs/security.md where it is not stopped. At most 44 characters. */
  readonly title: string
  readonly group: string
  /** Where it makes sense, or where it may be made at all; both when absent. */
  readonly places?: readonly Place[]
  /** Where it is not stopped, as docs/security.md says. */
  readonly open?: readonly Place[]
  /** Nothing of it reaches jit: there is nothing to record. */
  readonly silent?: readonly Place[]
  run(scene: Scene, subject: Subject): Promise<readonly Outcome[]>
}

/** One way of it, as seen from outside of the server. */
export interface Outcome {
  readonly what: string
  readonly stopped: boolean
  /** In the trail, or in the daemon's log. */
  readonly recorded: boolean
  /** What the server itself got to see. */
  readonly told: string
}

export const places: readonly Place[] = ['sandbox', 'off']

/** What the stand-in, the trap and the trail saw while `work` was done. */
export async function watch<T>(scene: Scene, subject: Subject, work: () => Promise<T>): Promise<Seen<T>> {
  const before = { journal: scene.journal().length, reached: scene.trap.reached, trail: scene.trail().length, log: scene.log().length }
  const value = await work()
  return {
    value,
    journal: scene.journal().slice(before.journal),
    reached: scene.trap.reached - before.reached,
    // Those of nobody known name no server.
    trail: scene
      .trail()
      .slice(before.trail)
      .filter(({ server }) => server === undefined || server === '' || server === subject.name || server === `${subject.name}-env`),
    log: scene.log().slice(before.log),
  }
}

export interface Seen<T> {
  readonly value: T
  readonly journal: Scene extends { journal(): infer J } ? J : never
  readonly reached: number
  readonly trail: readonly TrailRecord[]
  readonly log: string
}

/** Requests of the server that must not get out: nothing of them at the upstream, nothing at the trap, and a record of why. */
export function refused(
  ways: readonly { readonly what: string; readonly act: Act; readonly reason: RegExp }[],
  how: { readonly idle?: boolean } = {},
): Attempt['run'] {
  return async (scene, subject) => {
    const outcomes: Outcome[] = []
    for (const { what, act, reason } of ways) {
      const seen = await watch(scene, subject, () => (how.idle === true ? subject.idle(act) : subject.act(act)))
      outcomes.push({
        what,
        stopped: seen.journal.length === 0 && seen.reached === 0 && !succeeded(seen.value),
        recorded: seen.trail.some((record) => record.type === 'egress.refused' && reason.test(record.reason ?? '')),
        told: JSON.stringify(seen.value).slice(0, 200),
      })
    }
    return outcomes
  }
}

/** The server's own word, which counts only against jit: an answer that says OK, or a tunnel that carried something. */
function succeeded(value: unknown): boolean {
  const told = JSON.stringify(value ?? null)
  return /"status":2\d\d/.test(told) || /HTTP\/1\.1 2\d\d/.test(told) || /"reached":true/.test(told)
}
