import { createHash } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import { jitJson } from '../../support/command.ts'
import { descendantsOf } from '../../support/processes.ts'
import type { Voice } from '../narrate.ts'
import type { Stage } from '../../support/stage.ts'

const status = z.looseObject({ servers: z.array(z.looseObject({ name: z.string(), lanes: z.array(z.looseObject({ pid: z.number() })) })) })

export async function dumpServer(stage: Stage, voice: Voice): Promise<void> {
  const { servers } = status.parse(await jitJson(stage.home, ['status']))
  const pids = servers.filter((server) => server.name === 'github').flatMap((server) => server.lanes.map((lane) => lane.pid))
  voice.check(pids.length > 0, 'the server runs')
  const hashes = new Set(stage.github.tokens().map((token) => token.hash))
  for (const pid of pids) {
    // In a sandbox the lane's own process is the box's; what was started in it counts too, and the last one is the server.
    const all = [pid, ...(existsSync('/proc') ? descendantsOf(pid).map((found) => found.pid) : [])].map(dump)
    const [server = dump(pid)] = all.slice(-1)
    const environment = all.map((each) => each.environment).join('\0')
    const command = all.map((each) => each.command).join('\0')
    voice.show('argv', server.command.replaceAll('\0', ' ').trim())
    voice.show(
      'environment',
      server.environment
        .split('\0')
        .filter((line) => line !== '')
        .sort()
        .map(shorten)
        .join('\n'),
    )
    const candidates = `${environment}\0${command}`.match(/ghs_[A-Za-z0-9._-]{36,}/g) ?? []
    const real = candidates.filter((text) => hashes.has(createHash('sha256').update(text).digest('base64')))
    voice.fact(
      'environment',
      server.environment
        .split('\0')
        .filter((line) => line !== '')
        .map((line) => line.split('=')[0])
        .sort(),
    )
    voice.fact('candidates', candidates.length)
    voice.check(real.length === 0, `none of the ${hashes.size} tokens that GitHub ever minted here is there`)
    voice.check(candidates.length > 0, 'what looks like a token is a placeholder: GitHub never issued it')
    voice.check(!command.includes('ghs_'), 'the command line holds not even that')
    voice.check(!environment.includes('PRIVATE KEY'), 'no private key')
  }
}

function dump(pid: number): { environment: string; command: string } {
  if (existsSync(`/proc/${pid}/environ`)) {
    return { environment: readFileSync(`/proc/${pid}/environ`, 'latin1'), command: readFileSync(`/proc/${pid}/cmdline`, 'latin1') }
  }
  const environment = execFileSync('ps', ['eww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }).replaceAll(' ', '\0')
  return { environment, command: execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' }) }
}

function shorten(line: string): string {
  return line.length > 96 ? `${line.slice(0, 95)}…` : line
}
