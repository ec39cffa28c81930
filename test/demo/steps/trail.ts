import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runJit } from '../../support/command.ts'
import type { Voice } from '../narrate.ts'
import type { Stage } from '../../support/stage.ts'
import { readRecords } from '../trail.ts'

export async function readTrail(stage: Stage, voice: Voice): Promise<void> {
  voice.command('jit audit')
  const printed = await runJit(stage.home, ['audit'])
  for (const line of printed.stdout.trimEnd().split('\n')) voice.say(`  ${line}`)
  const records = await readRecords(stage.home)
  const closed = records.filter((record) => record.type === 'call.close')
  voice.fact('records', records.length)
  voice.fact(
    'calls',
    closed.map((record) => ({ server: record.server, tool: record.tool, resource: record.resource, result: record.result })),
  )
  voice.check(
    closed.some((record) => record.result === 'ok') &&
      closed.some((record) => record.result === 'denied') &&
      closed.some((record) => record.result === 'revoked'),
    'allowed, denied and revoked calls each have their closing record',
  )
  const text = JSON.stringify(records)
  voice.check(!/ghs_[A-Za-z0-9._-]{36,}/.test(text), 'no token is in it')

  voice.command('jit audit verify')
  const proof = await runJit(stage.home, ['audit', 'verify'])
  voice.say(`  ${proof.stdout.trim().split('\n')[0] ?? ''}`)
  voice.check(proof.code === 0, 'the trail verifies')

  const copy = join(stage.home, 'copy')
  cpSync(join(stage.home, 'audit'), copy, { recursive: true })
  const untouched = await runJit(stage.home, ['audit', 'verify', '--folder', copy])
  voice.check(untouched.code === 0, 'so does a copy of it')
  const segment = join(copy, readdirSync(copy).find((name) => name.endsWith('.jsonl') && /^\d/.test(name)) ?? '000001.jsonl')
  const bytes = readFileSync(segment)
  const position = bytes.indexOf('"get_issue"') + 5
  bytes[position] = (bytes[position] ?? 0) ^ 1
  writeFileSync(segment, bytes)
  const forged = await runJit(stage.home, ['audit', 'verify', '--folder', copy])
  for (const line of (forged.stdout + forged.stderr).trim().split('\n').slice(0, 2)) voice.say(`  ${line}`)
  voice.fact('forged', { code: forged.code })
  voice.check(forged.code !== 0, 'with one byte of it changed, the copy does not')
}
