import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { jitJson, runJit } from '../../support/command.ts'
import type { Voice } from '../narrate.ts'
import type { Stage } from '../../support/stage.ts'

export async function registerApp(stage: Stage, voice: Voice): Promise<void> {
  const command = ['login', 'github-app', 'acme', '--app-id', String(stage.appId), '--installation', 'acme', '--private-key', stage.keyFile]
  voice.command(`jit ${command.slice(0, -1).join(' ')} app.private-key.pem`)
  const before = stage.github.tokens().length
  const result = await runJit(stage.home, command)
  if (result.code !== 0) throw new Error(result.stderr.trim())
  for (const line of result.stdout.trimEnd().split('\n')) voice.say(`  ${line}`)
  const minted = stage.github.tokens().slice(before)
  voice.fact('provider', await jitJson(stage.home, ['providers']))
  voice.fact('proofMints', minted.length)
  voice.check(minted.length > 0, 'a real mint proved the registration')
  voice.check(
    minted.every((token) => !token.alive),
    'the token that proved it is revoked again',
  )
  const body = readFileSync(stage.keyFile, 'utf8').split('\n')[3] ?? ''
  const kept = ['jit.yaml', 'jit.db', 'jit.db-wal'].filter((name) => contains(join(stage.home, name), body))
  voice.check(kept.length === 0, 'the private key is sealed: no file of jit holds it in the clear')
}

function contains(file: string, text: string): boolean {
  try {
    return readFileSync(file).includes(text)
  } catch {
    return false
  }
}
