import { createInterface } from 'node:readline'
import { spawnSync } from 'node:child_process'
import colours from 'picocolors'
import type { Command } from 'commander'
import { z } from 'zod'
import { routes, type VerifyView, verifyView } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import { programFile } from '../../shim/launch.js'
import { action, command } from '../context.ts'
import { plain, print, printJson } from '../output.ts'
import { type TrailRecord, trailLine, trailRecord } from '../trail.ts'

export function auditCommand(): Command {
  const audit = command('audit', 'the trail: human → agent → server → tool → resource → result', 'jit audit --since 1h --server github')
    .option('--follow', 'keep printing what happens')
    .option('--since <duration>', 'only the last, e.g. 1h')
    .option('--server <name>', 'one server')
    .option('--tool <name>', 'one tool')
    .option('--call <id>', 'one call, with every record of it')
    .option('--all', 'every record, not only calls and refusals')
    .action(
      action(async ({ client, json }, options: Record<string, unknown>) => {
        const query: Record<string, string> = {}
        for (const key of ['server', 'tool', 'call']) if (typeof options[key] === 'string') query[key] = options[key]
        if (typeof options['since'] === 'string') query['since'] = String(Date.now() - parseSince(options['since']))
        if (options['follow'] === true) query['follow'] = 'true'
        const stream = await client.stream(routes.audit, query)
        for await (const line of createInterface({ input: stream })) {
          if (json) print(line)
          else show(trailRecord.parse(JSON.parse(line)), options['all'] === true || options['call'] !== undefined)
        }
      }),
    )
  audit.addCommand(verifyCommand())
  audit.addCommand(traceCommand())
  return audit
}

function verifyCommand(): Command {
  return command('verify', 'prove that the trail is whole and unchanged', 'jit audit verify')
    .option('--folder <path>', 'a copy of a trail; needs no daemon')
    .action(
      action(async ({ client, json }, options: Record<string, unknown>) => {
        const report =
          typeof options['folder'] === 'string' ? verifyCopy(options['folder']) : verifyView.parse(await client.call(routes.verify))
        if (json) printJson(report)
        else {
          for (const problem of report.problems)
            print(`${colours.red('✗')} ${problem.file}${problem.line > 0 ? `:${problem.line}` : ''}  ${plain(problem.message)}`)
          if (report.ok)
            print(
              `${colours.green('✓')} ${report.records} records, ${report.checkpoints} signed checkpoints, head ${report.head.slice(0, 16)}…, key ${report.key.slice(0, 16) || 'none'}`,
            )
        }
        if (!report.ok) process.exitCode = new JitError('audit.broken', '').exitCode
      }),
    )
}

function traceCommand(): Command {
  return command('trace', 'from a token’s hash in the provider’s log to the calls that used it', 'jit audit trace 3q2+7wAB…=')
    .argument('<hash>', 'hashed_token of GitHub’s audit log, or a fingerprint')
    .action(
      action(async ({ client, json }, hash: string) => {
        const records = z.array(trailRecord).parse(await client.call(routes.trace, { parameters: { hash } }))
        if (json) printJson(records)
        else for (const record of records) show(record, true)
      }),
    )
}

/** In a process of its own: the command line holds no code that reads trails. */
function verifyCopy(folder: string): VerifyView {
  const run = spawnSync(process.execPath, [programFile('audit/verify-main'), folder], { encoding: 'utf8' })
  if (run.status !== 0)
    throw new JitError('not-found', `${quote(folder)} is no folder of a trail: ${run.stderr.trim().split('\n').at(-1) ?? ''}`)
  return verifyView.parse(JSON.parse(run.stdout))
}

function show(record: TrailRecord, all: boolean): void {
  const line = trailLine(record, all)
  if (line !== '') print(line)
}

function parseSince(text: string): number {
  const match = /^(\d+)(s|m|h|d)$/.exec(text)
  if (match === null) throw new JitError('usage', `--since takes a duration such as 30m or 1h, not ${quote(text)}`)
  return Number(match[1]) * { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[match[2] as 's' | 'm' | 'h' | 'd']
}
