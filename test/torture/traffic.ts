import { setTimeout as pause } from 'node:timers/promises'
import type { Random } from '../support/random.ts'
import type { Agents, Answer } from './agents.ts'

export interface Traffic {
  readonly seen: Record<Answer, number>
  /** Resolves when so many calls have succeeded, or soon anyway. */
  until(results: number): Promise<void>
  /** The calls that were never answered. */
  stop(): Promise<string[]>
}

const workers = 4

/** Workers that call one tool after the other, reads and writes in two repositories. */
export function startTraffic(agents: Pick<Agents, 'call'>, servers: readonly [string, ...string[]], random: Random): Traffic {
  const seen = { result: 0, error: 0, none: 0 }
  const stopped = new AbortController()
  const worker = async (): Promise<string[]> => {
    const unanswered: string[] = []
    while (!stopped.signal.aborted) {
      const server = random.pick(servers)
      const tool = random.pick(['get_issue', 'get_issue', 'list_issues', 'create_issue'])
      const repo = random.pick(['web', 'api'])
      const args = { get_issue: { issue_number: repo === 'web' ? 42 : 7 }, list_issues: {}, create_issue: { title: 'From the mix' } }[tool]
      const outcome = await agents.call(server, tool, { owner: 'acme', repo, ...args })
      seen[outcome] += 1
      if (outcome === 'none') unanswered.push(`${server} ${tool} ${repo}`)
      // A daemon that is coming up refuses calls at once: no busy loop.
      if (outcome === 'error') await pause(5)
    }
    return unanswered
  }
  const all = Promise.all(Array.from({ length: workers }, worker))
  return {
    seen,
    async until(results) {
      for (let round = 0; round < 500 && seen.result < results; round += 1) await pause(5)
    },
    async stop() {
      stopped.abort()
      return (await all).flat()
    },
  }
}
