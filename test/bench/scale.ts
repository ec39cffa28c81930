import { type Growth, type Grown, measureGrowth } from './growth.ts'
import type { Report, Setting } from './report.ts'
import { echoEntry, openStand, type Stand } from './stand.ts'

const servers: Growth = {
  what: 'servers that run',
  sizes: [1, 10, 100].map((count) => ({
    name: count.toLocaleString('en'),
    open: () => openStand({ servers: names(count).map((name) => echoEntry(name)) }),
    fill: (stand) => runServers(stand, names(count).slice(1)),
  })),
}

const rules: Growth = {
  what: 'policy rules',
  sizes: [10, 1000, 10_000].map((count) => ({
    name: count.toLocaleString('en'),
    // Two of them are those of the tools that exist.
    open: () => openStand({ servers: [echoEntry('bench', count - 2)] }),
  })),
}

/** What a call costs when there are more servers, or more rules. */
export async function measureScale({ rounds, say }: Setting): Promise<Report> {
  const grown: Grown[] = []
  for (const growth of [servers, rules]) {
    say(`${growth.what}: ${growth.sizes.map(({ name }) => name).join(', ')}`)
    grown.push(await measureGrowth(growth, rounds))
  }
  return {
    subject: 'scale',
    tables: grown.map(({ table }) => table),
    targets: grown.map(({ target }) => target),
    charts: [
      {
        kind: 'bars',
        name: 'scale',
        title: 'A call where there is more of something',
        axis: 'milliseconds, p50 over stdio, 1 KB results; whiskers from p10 to p90 of the rounds',
        plain: true,
        groups: grown.map(({ group }) => group),
      },
    ],
    skipped: [],
  }
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => (index === 0 ? 'bench' : `other${index}`))
}

/** A few at a time: each is two processes. */
async function runServers(stand: Stand, waiting: string[]): Promise<void> {
  const worker = async (): Promise<void> => {
    for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) await stand.connect(name)
  }
  await Promise.all([worker(), worker(), worker()])
}
