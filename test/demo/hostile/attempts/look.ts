import { join } from 'node:path'
import { z } from 'zod'
import type { Attempt, Outcome } from '../attempt.ts'
import { accountFiles, canary, type Scene, type Subject } from '../scene.ts'
import { holdsIt, isMinted } from './echo.ts'

const group = 'looks around'
const seenProcesses = z.array(z.object({ pid: z.number(), command: z.string(), environment: z.string() }))
const quiet = { group, silent: ['sandbox', 'off'] } as const

/** What the daemon is started with: nothing of it is a secret. */
const harmless =
  /^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LC_[A-Z]+|TZ|TMPDIR|XDG_[A-Z_]+|DBUS_[A-Z_]+|JIT_(HOME|KEYCHAIN|LOG)|NODE_COMPILE_CACHE|MALLOC_ARENA_MAX)$/

/** Files of jit that hold something, or decide something. */
const brokerFiles = ['jit.db', 'key', 'jit.yaml', 'audit']

export const lookAttempts: readonly Attempt[] = [
  {
    ...quiet,
    title: 'its environment and command line',
    run: async (scene, subject) => {
      const told = JSON.stringify(await subject.act({ do: 'look' }))
      const outcome = {
        what: 'environment',
        stopped: told.includes('API_TOKEN') && !isMinted(scene, told),
        recorded: false,
        told: told.slice(0, 100),
      }
      return [outcome, { ...outcome, what: 'command line', stopped: !/"command":"[^"]*ghs_/.test(told) }]
    },
  },
  {
    ...quiet,
    title: 'tokens in /proc of every process',
    run: async (scene, subject) => {
      const found = seenProcesses.parse(await subject.act({ do: 'processes' }))
      const text = JSON.stringify(found)
      return [
        {
          what: `${found.length} processes`,
          // The daemon's own command line shows that there was something to look at.
          stopped: !isMinted(scene, text) && (subject.place === 'sandbox' || found.some(({ pid }) => pid === scene.daemon)),
          recorded: false,
          told: `${found.length} processes`,
        },
      ]
    },
  },
  {
    ...quiet,
    title: 'secrets in the daemon’s environment',
    run: async (scene, subject) => {
      const found = seenProcesses.parse(await subject.act({ do: 'processes' })).find(({ pid }) => pid === scene.daemon)
      const text = found?.environment ?? ''
      const names = text.split('\0').flatMap((line) => line.split('=')[0] ?? [])
      const closed = text === 'EACCES' || names.every((name) => name === '' || harmless.test(name))
      // In the sandbox a process of that number is one of its own.
      const isOther = subject.place === 'sandbox' && !(found?.command.includes('daemon') ?? false)
      return [
        {
          what: '/proc/PID/environ',
          stopped: isOther || closed,
          recorded: false,
          told: names.filter((name) => name !== '' && !harmless.test(name)).join(' '),
        },
      ]
    },
  },
  {
    ...quiet,
    title: 'the environment of another server',
    open: ['off'],
    run: async (scene, subject) => {
      // The one in the other place, which has a placeholder and a way out of its own.
      const other = scene.subjects.find(({ place }) => place !== subject.place) ?? subject
      await other.act({ do: 'nothing' })
      const found = seenProcesses.parse(await subject.act({ do: 'processes' }))
      const others = found.filter(({ environment }) => environment.includes('API_TOKEN='))
      return [{ what: 'API_TOKEN of others', stopped: others.length === 0, recorded: false, told: `${others.length} of them` }]
    },
  },
  {
    ...quiet,
    title: 'the daemon’s memory',
    run: async (scene, subject) => {
      const told = JSON.stringify(await subject.act({ do: 'memory', pid: scene.daemon }))
      return [{ what: '/proc/PID/mem', stopped: !told.includes('"read":true') && /EACCES|ENOENT|EPERM/.test(told), recorded: false, told }]
    },
  },
  {
    ...quiet,
    title: 'the daemon’s debugger, by signal',
    run: async (scene, subject) => {
      const told = JSON.stringify(await subject.act({ do: 'signal', pid: scene.daemon, port: 9229 }))
      const alive = isAlive(scene.daemon)
      return [{ what: 'SIGUSR1', stopped: alive && !told.includes('"opened":true'), recorded: false, told }]
    },
  },
  {
    ...quiet,
    title: 'files of the broker',
    open: ['off'],
    run: (scene, subject) =>
      reads(
        subject,
        brokerFiles.map((name) => join(scene.stage.home, name)),
      ),
  },
  {
    ...quiet,
    title: 'files of the account',
    open: ['off'],
    run: (scene, subject) =>
      reads(
        subject,
        accountFiles.map((name) => join(scene.account, name)),
      ),
  },
  {
    ...quiet,
    title: 'sockets of the broker',
    open: ['off'],
    run: async (scene, subject) => {
      const text = 'GET /v1/status HTTP/1.1\r\nHost: jit\r\nConnection: close\r\n\r\n'
      const outcomes: Outcome[] = []
      for (const name of ['api.sock', 'connect.sock']) {
        const told = JSON.stringify(await subject.act({ do: 'unixSocket', path: join(scene.stage.home, 'run', name), text }))
        outcomes.push({ what: name, stopped: /ENOENT|EACCES/.test(told), recorded: false, told: told.slice(0, 100) })
      }
      return outcomes
    },
  },
  {
    ...quiet,
    title: 'sockets of the broker, as a page in a browser',
    places: ['off'],
    run: async (scene, subject) => {
      const outcomes: Outcome[] = []
      for (const line of ['Host: evil.test', 'Host: jit\r\nOrigin: https://evil.test', 'Host: jit\r\nReferer: https://evil.test/']) {
        const text = `GET /v1/status HTTP/1.1\r\n${line}\r\nConnection: close\r\n\r\n`
        const told = JSON.stringify(await subject.act({ do: 'unixSocket', path: join(scene.stage.home, 'run', 'api.sock'), text }))
        outcomes.push({ what: line, stopped: /HTTP\/1\.1 403/.test(told), recorded: false, told: told.slice(0, 100) })
      }
      return outcomes
    },
  },
  holdsIt,
]

async function reads(subject: Subject, paths: readonly string[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const path of paths) {
    const told = JSON.stringify(await subject.act({ do: 'read', path }))
    outcomes.push({
      what: path,
      stopped: /"error":"(ENOENT|EACCES)"/.test(told) && !told.includes(canary),
      recorded: false,
      told: told.slice(0, 60),
    })
  }
  return outcomes
}

export function isAlive(pid: Scene['daemon']): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
