import { type Attempt, type Outcome, places } from './attempt.ts'
import { attempts } from './attempts.ts'
import { openScene, type Place, type Scene, type Subject } from './scene.ts'

export interface Result {
  readonly title: string
  readonly group: string
  readonly place: Place
  readonly tried: number
  readonly stopped: number
  readonly recorded: number
  /** Docs say that it is not stopped here. */
  readonly open: boolean
  /** Why this result is a defect; empty when it is none. */
  readonly defect: string
  readonly outcomes: readonly Outcome[]
}

/** Makes all attempts in the places that this machine has; tells each result as it is there. */
export async function runAttempts(here: readonly Place[], tell: (attempt: Attempt, results: readonly Result[]) => void): Promise<Result[]> {
  const scene = await openScene(here)
  const all: Result[] = []
  try {
    for (const attempt of attempts) {
      const results: Result[] = []
      for (const subject of scene.subjects.filter(({ place }) => (attempt.places ?? places).includes(place)))
        results.push(await make(attempt, scene, subject))
      tell(attempt, results)
      all.push(...results)
    }
    return all
  } finally {
    await scene.close()
  }
}

async function make(attempt: Attempt, scene: Scene, subject: Subject): Promise<Result> {
  const { title, group } = attempt
  const open = attempt.open?.includes(subject.place) === true
  const base = { title, group, place: subject.place, open }
  try {
    const outcomes = (await attempt.run(scene, subject)).map((outcome) => ({ ...outcome, told: printable(outcome.told) }))
    const stopped = outcomes.filter((outcome) => outcome.stopped).length
    const recorded = outcomes.filter((outcome) => outcome.recorded).length
    const silent = attempt.silent?.includes(subject.place) === true
    const defect =
      outcomes.length === 0
        ? 'nothing was tried'
        : stopped < outcomes.length && !open
          ? `not stopped: ${outcomes
              .filter((outcome) => !outcome.stopped)
              .map(({ what, told }) => `${what} (${told})`)
              .join('; ')}`
          : recorded < outcomes.length && !silent
            ? `not recorded: ${outcomes
                .filter((outcome) => !outcome.recorded)
                .map(({ what, told }) => `${what} (${told})`)
                .join('; ')}`
            : ''
    return { ...base, tried: outcomes.length, stopped, recorded, defect, outcomes }
  } catch (error) {
    // What could not be seen was not stopped.
    return {
      ...base,
      tried: 1,
      stopped: 0,
      recorded: 0,
      outcomes: [],
      defect: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }
  }
}

/** What a server said, for a terminal. */
function printable(text: string): string {
  return text.slice(0, 200).replaceAll(/[^\x20-\x7e]+/g, ' ')
}
