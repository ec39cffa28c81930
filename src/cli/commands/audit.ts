import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import type { Command } from 'commander'
import { z } from 'zod'
import { routes, type VerifyView, verifyView } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import { programFile } from '../../shim/launch.js'
import { action, command, type Options } from '../context.ts'
import { withProgress } from '../output/progress.ts'
import { card } from '../output/layout.ts'
import { endWithReader } from '../output/reader.ts'
import { colours, note, print, printFolded, printJson } from '../output/terminal.ts'
import { count, plain, plainJson } from '../output/text.ts'
import { calendarDay, parseSince } from '../output/time.ts'
import { type TrailRecord, trailLine, trailRecord } from '../trail.ts'

/** A long trail takes a while to be read from its beginning. */
const verifyDeadline = 600_000
const whichFolder = 'Give the folder that holds the segments: a copy of the folder `audit` in jit’s state folder.'

export function auditCommand(): Command {
  const audit = command(
    'audit',
    'print the trail: human → agent → server → tool → resource → result',
    'jit audit --since 1h --server github',
    'jit audit --follow',
    'jit audit verify',
  )
    .option('--follow', 'go on with what happens from now on')
    .option('--since <time>', 'from then on: 30m, 1h, 2d, or a date')
    .option('--until <time>', 'up to then')
    .option('--server <name>', 'one server')
    .option('--tool <name>', 'one tool')
    .option('--call <id>', 'one call, with every record of it')
    .option('--lease <id>', 'one lease, with every record that names it')
    .option('--trace <id>', 'one trace, conversation, turn or tool use of the client, by its id')
    .option('--limit <count>', 'the newest so many of what is shown')
    .option('--all', 'every record, not only calls and refusals')
    .option('--scan', 'look at each record instead of asking the indexes where to look')
    .action(
      action(async ({ client, json, options }) => {
        const all = options.flag('all') || options.text('call') !== undefined || options.text('lease') !== undefined
        const show = lineByLine(all)
        const { limit, ...asked } = queryOf(options)
        // Concluded and not written, so it is nothing for who wants the records themselves.
        const query = json || options.flag('all') ? asked : { ...asked, cutOff: 'true' }
        // What is not shown must not use the limit up; a follower and a program get what the daemon counts.
        const ours = !json && !all && !options.flag('follow')
        const newest = limit === undefined || !ours ? undefined : Number(limit)
        if (options.flag('follow')) await endWithReader()
        const stream = await client.stream(routes.audit, limit === undefined || ours ? query : { ...query, limit })
        let shown = 0
        const kept: TrailRecord[] = []
        const take = (record: TrailRecord): void => {
          if (newest === undefined) shown += Number(show(record))
          else if (trailLine(record, all) !== '' && kept.push(record) > newest) kept.shift()
        }
        for await (const line of createInterface({ input: stream })) {
          const record = json ? undefined : readRecord(line)
          if (json) print(plainJson(line))
          else if (record === undefined) shown += 1
          else take(record)
        }
        for (const record of kept) shown += Number(show(record))
        if (!json && shown === 0 && !options.flag('follow')) note(nothing(all, Object.keys(asked).length > 0))
        if (options.flag('follow')) note('the daemon stopped, and the trail with it')
      }),
    )
  return audit.addCommand(verifyCommand()).addCommand(traceCommand())
}

function nothing(all: boolean, isNarrowed: boolean): string {
  if (all) return 'no record matches'
  return `${isNarrowed ? 'no call and no refusal matches' : 'no call yet, and no refusal'}; --all shows every record`
}

function verifyCommand(): Command {
  return command('verify', 'prove that the trail is whole and unchanged', 'jit audit verify', 'jit audit verify --folder /backup/audit')
    .option('--folder <path>', 'a copy of a trail; no daemon is asked')
    .option('--key <thumbprint>', 'the key that must have signed it, as an earlier run printed it')
    .action(
      action(async ({ client, json, options }) => {
        const folder = options.text('folder')
        const work =
          folder === undefined
            ? client.call(routes.verify, { deadline: verifyDeadline }).then((answer) => verifyView.parse(answer))
            : verifyCopy(folder)
        const report = signedBy(await withProgress('reading the trail', work), options.text('key'))
        if (json) printJson(report)
        else printFolded(verdict(report), 2)
        if (!report.ok) process.exitCode = new JitError('audit.broken', '').exitCode
      }),
    )
}

function traceCommand(): Command {
  return command('trace', 'from a token’s hash in the provider’s log back to the calls that used it', 'jit audit trace 3q2+7wABcdef…=')
    .argument('<hash>', '`hashed_token` of GitHub’s audit log, or a fingerprint (fp_…) that `jit audit` prints')
    .action(
      action(async ({ client, json, args: [hash = ''] }) => {
        if (looksLikeToken(hash))
          throw new JitError('usage', 'that looks like a token, not like its hash; it is not repeated here', {
            hint: 'It stands in your shell’s history now: if it may be alive, end it. Its hash: `openssl dgst -sha256 -binary | base64`, with the token alone on stdin, without a line’s end.',
          })
        const found = z.array(trailRecord).parse(await client.call(routes.trace, { parameters: { hash }, deadline: verifyDeadline }))
        if (json) return printJson(found)
        const show = lineByLine(true)
        for (const record of found) show(record)
      }),
    )
}

/** A hash has no such beginning, and is not so long. */
function looksLikeToken(text: string): boolean {
  return /^(gh[a-z]_|github_pat_)/.test(text) || text.length > 128
}

function queryOf(options: Options): Record<string, string> {
  const query: Record<string, string> = {}
  for (const key of ['server', 'tool', 'call', 'lease', 'trace', 'limit']) {
    const value = options.text(key)
    if (value !== undefined) query[key] = value
  }
  for (const key of ['since', 'until']) {
    const value = options.text(key)
    const moment = value === undefined ? undefined : parseSince(value)
    if (value !== undefined && moment === undefined)
      throw new JitError('usage', `--${key} takes 30m, 1h, 2d or a date, not ${quote(value)}`)
    if (moment !== undefined) query[key] = String(moment)
  }
  if (options.flag('scan')) query['scan'] = 'true'
  if (query['limit'] !== undefined && !/^[1-9]\d{0,4}$/.test(query['limit']))
    throw new JitError('usage', `--limit takes a number from 1 to 99999, not ${quote(query['limit'])}`)
  if (options.flag('follow')) query['follow'] = 'true'
  return query
}

/** Prints records, and the day where it changes; says whether the record was one to print. */
function lineByLine(all: boolean): (record: TrailRecord) => boolean {
  let day = calendarDay(Date.now())
  return (record) => {
    const line = trailLine(record, all)
    if (line === '') return false
    const itsDay = calendarDay(new Date(record.time))
    if (itsDay !== day) print(colours.dim(`── ${itsDay} ──`))
    day = itsDay
    print(line)
    return true
  }
}

/** A line that is no record of this version is shown as it stands: nothing in a trail is passed over in silence. */
function readRecord(line: string): TrailRecord | undefined {
  try {
    return trailRecord.parse(JSON.parse(line))
  } catch {
    print(`${colours.yellow('?')} ${plain(line)}`)
    return undefined
  }
}

/** Whoever can replace a trail can replace the key beside it; one that was noted elsewhere they cannot. */
function signedBy(report: VerifyView, key: string | undefined): VerifyView {
  if (key === undefined || report.key === key) return report
  const message = report.key === '' ? 'there is no signature by the key that was given' : `signed by the key ${report.key}, not by ${key}`
  return { ...report, ok: false, problems: [...report.problems, { file: 'key.json', line: 0, message }] }
}

function verdict({ ok, problems, records, segments, checkpoints, head, key }: VerifyView): string {
  const bad = problems.map(
    ({ file, line, message }) => `${colours.red('✗')} ${plain(file)}${line > 0 ? `:${line}` : ''}  ${plain(message)}`,
  )
  if (!ok)
    return [
      ...bad,
      `${colours.red('✗')} the trail is not what was written: ${count(problems.length, 'problem')} in ${count(records, 'record')}`,
    ].join('\n')
  const signed = checkpoints === 0 ? 'no signed checkpoint yet' : count(checkpoints, 'signed checkpoint')
  return [
    ...bad,
    `${colours.green('✓')} ${count(records, 'record')} in ${count(segments, 'segment')}, each bound to the one before; ${signed}`,
    card([
      ['  key', checkpoints === 0 ? '' : plain(key)],
      ['  head', plain(head)],
    ]),
  ].join('\n')
}

/** In a process of its own: the command line holds no code that reads trails. */
async function verifyCopy(folder: string): Promise<VerifyView> {
  let report: VerifyView
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', programFile('audit/verify-main'), resolve(folder)], {
      maxBuffer: 64 * 1024 * 1024,
    })
    report = verifyView.parse(JSON.parse(stdout))
  } catch (error) {
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr) : ''
    const reason = /^\w*Error: (.*)$/m.exec(words)?.[1] ?? (words.trim().split('\n').at(-1) || String(error))
    throw new JitError('not-found', `${quote(folder)} is no folder of a trail: ${reason}`, { hint: whichFolder, cause: error })
  }
  if (report.segments === 0) throw new JitError('not-found', `${quote(folder)} holds no trail`, { hint: whichFolder })
  return report
}
