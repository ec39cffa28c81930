import { runHostile } from './hostile/main.ts'
import { createNarrator, fold } from './narrate.ts'
import { openStage } from '../support/stage.ts'
import { registerApp } from './steps/register.ts'
import { addServers, listTools } from './steps/tools.ts'
import { readIssue } from './steps/read-issue.ts'
import { refuseOutside, refuseRogue } from './steps/refuse.ts'
import { dumpServer } from './steps/dump.ts'
import { revokeMidCall } from './steps/revoke.ts'
import { readTrail } from './steps/trail.ts'

/**
 * `npm run demo`: the main job on a fresh machine, without an account or a network. Everything is real but GitHub, whose
 * place a server on loopback takes; the MCP server is the npm package as published. `--hostile`: see `hostile/main.ts`.
 */
const json = process.argv.includes('--json')
if (process.argv.includes('--hostile')) process.exit(await runHostile(json))
const started = performance.now()
const narrator = createNarrator(json)
if (!json) {
  console.log(fold('', 'jit gives an MCP server a credential for one call, and only for what that call is about.'))
  console.log(fold('', 'Here: npm’s @modelcontextprotocol/server-github, unmodified, against a stand-in for api.github.com.'))
}

const stage = await openStage()
try {
  await narrator.step('Register the GitHub App once', (voice) => registerApp(stage, voice))
  await narrator.step('Put two MCP servers behind jit: GitHub’s, and one that misbehaves', (voice) => addServers(stage, voice))
  await narrator.step('An MCP client sees the allowed tools only', (voice) => listTools(stage, voice))
  await narrator.step('Reading issue #42 of acme/web works', (voice) => readIssue(stage, voice))
  await narrator.step('Another repository is denied before anything is minted', (voice) => refuseOutside(stage, voice))
  await narrator.step('A rogue server gets nothing beyond its call', (voice) => refuseRogue(stage, voice))
  await narrator.step('The server’s environment and command line hold no credential', (voice) => dumpServer(stage, voice))
  await narrator.step('`jit revoke --all` in the middle of a call', (voice) => revokeMidCall(stage, voice))
  await narrator.step('The trail says who did what, and proves it', (voice) => readTrail(stage, voice))
} finally {
  await stage.close()
}

const failed = narrator.steps.filter((step) => !step.ok)
const took = Math.round(performance.now() - started)
if (json) console.log(JSON.stringify({ ok: failed.length === 0, took, steps: narrator.steps }, null, 2))
else
  console.log(
    `\n${failed.length === 0 ? `All ${narrator.steps.length} steps held` : `${failed.length} of ${narrator.steps.length} steps failed`}, in ${(took / 1000).toFixed(1)} s.`,
  )
process.exitCode = failed.length === 0 ? 0 : 1
