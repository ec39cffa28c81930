import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { runJit } from '../support/command.ts'
import { configureServers, githubServer, login, must } from '../support/servers.ts'
import { openSmallDisk, type SmallDisk } from '../support/small-disk.ts'
import { openStage, type Stage } from '../support/stage.ts'

const receiptsShape = z.object({ receipts: z.array(z.looseObject({ outcome: z.string(), verified: z.boolean() })) })
const statusShape = z.looseObject({ pid: z.number(), locked: z.boolean() })
const opened = openSmallDisk(48 * 1024 * 1024)
const disk = typeof opened === 'string' ? undefined : opened
/** More than what fits into the last block of the trail that is already taken. */
const callsIntoOneBlock = 40

if (disk === undefined) {
  console.warn(`SKIPPED: the tests of a full disk need to mount one, and this account may not: ${String(opened)}`)
}

describe.skipIf(disk === undefined)('a daemon whose disk is full', () => {
  let stage: Stage
  let pid = 0

  beforeAll(async () => {
    stage = await openStage({ within: theDisk().folder })
    await login(stage)
    await configureServers(stage, githubServer('shared') + githubServer('once', { lifetime: 'call' }))
    for (const server of ['shared', 'once']) expect(await read(stage, server)).toContain('Sign-in fails')
    pid = (await status(stage)).pid
  })
  afterAll(async () => {
    if (disk === undefined) return
    disk.free()
    await stage.close()
    disk.close()
  })

  it('refuses calls with a clear error, and GitHub is asked nothing', async () => {
    theDisk().fill()
    await untilRefused(stage, 'shared')
    for (const server of ['shared', 'once', 'shared', 'once']) {
      const before = asked(stage)
      const answer = await read(stage, server)
      expect(answer).toMatch(/(2000|1302).*(trail|store|space|disk)/is)
      expect(answer).not.toContain('Sign-in fails')
      expect(asked(stage)).toEqual(before)
    }
  })

  it('still revokes everything, with receipts', async () => {
    expect(alive(stage)).toBeGreaterThan(0)
    const { receipts } = receiptsShape.parse(JSON.parse(await must(stage, ['revoke', '--all', '--json'])))
    expect(receipts.length).toBeGreaterThan(0)
    for (const receipt of receipts) expect(receipt).toMatchObject({ outcome: 'revoked', verified: true })
    expect(alive(stage)).toBe(0)
  })

  it('works again when there is space, without a restart', async () => {
    theDisk().free()
    for (const server of ['shared', 'once']) expect(await read(stage, server)).toContain('Sign-in fails')
    expect((await status(stage)).pid).toBe(pid)
    await must(stage, ['audit', 'verify'])
  })

  it('does not release an answer that it cannot record', async () => {
    const hung = stage.github.fault({ match: { method: 'GET', path: '/repos/acme/api/issues/7' }, delay: 2000, times: 1 })
    const call = read(stage, 'once', { repo: 'api', issue_number: 7 })
    await hung.hit()
    theDisk().fill()
    await untilRefused(stage, 'shared')
    const answer = await call
    expect(answer).not.toContain('Slow query')
    expect(answer).toMatch(/2000|1302/)
    theDisk().free()
    expect(await read(stage, 'once', { repo: 'api', issue_number: 7 })).toContain('Slow query')
  })

  it('still locks; the lock holds when there is space again, and after a restart', async () => {
    expect(await read(stage, 'shared')).toContain('Sign-in fails')
    expect(alive(stage)).toBeGreaterThan(0)
    theDisk().fill()
    await untilRefused(stage, 'shared')
    const { receipts } = receiptsShape.parse(JSON.parse(await must(stage, ['lock', '--json'])))
    expect(receipts.length).toBeGreaterThan(0)
    expect(alive(stage)).toBe(0)
    theDisk().free()
    expect(await status(stage)).toMatchObject({ pid, locked: true })
    expect(await read(stage, 'shared')).toMatch(/lock/)
    await must(stage, ['stop'])
    const after = await restarted(stage)
    expect(after).toMatchObject({ locked: true })
    expect(after.pid).not.toBe(pid)
    expect(await read(stage, 'shared')).toMatch(/lock/)
    await must(stage, ['unlock'])
    expect(await read(stage, 'shared')).toContain('Sign-in fails')
  })

  it('killed and started again on the full disk, it refuses calls and still revokes what it had handed out', async () => {
    expect(await read(stage, 'shared')).toContain('Sign-in fails')
    expect(alive(stage)).toBeGreaterThan(0)
    theDisk().fill()
    await untilRefused(stage, 'shared')
    const before = await status(stage)
    process.kill(before.pid, 'SIGKILL')
    // The new daemon may have ended them by itself before this one asks it to.
    await must(stage, ['revoke', '--all', '--json'])
    await vi.waitUntil(() => alive(stage) === 0, { timeout: 10_000 })
    expect((await status(stage)).pid).not.toBe(before.pid)
    expect(await read(stage, 'shared')).not.toContain('Sign-in fails')
    theDisk().free()
    expect(await read(stage, 'shared')).toContain('Sign-in fails')
  })

  it('leaves a trail that verifies', async () => {
    await must(stage, ['audit', 'verify'])
  })
})

function theDisk(): SmallDisk {
  if (disk === undefined) throw new Error('no small disk')
  return disk
}

/** The answer to `get_issue`, or the error, as text. */
async function read(stage: Stage, server: string, changes: Record<string, unknown> = {}): Promise<string> {
  const client = await stage.client(server)
  return client.callTool({ name: 'get_issue', arguments: { owner: 'acme', repo: 'web', issue_number: 42, ...changes } }).then(
    (answer) => JSON.stringify(answer),
    (error: unknown) =>
      `${String(Reflect.get(Object(error), 'code'))} ${String(error)} ${JSON.stringify(Reflect.get(Object(error), 'data'))}`,
  )
}

/** A block that is taken already still takes some records. Ends when nothing goes in any more, not even the smallest. */
async function untilRefused(stage: Stage, server: string): Promise<void> {
  for (let refused = 0, round = 0; refused < 4; round += 1) {
    if (round === callsIntoOneBlock) throw new Error(`${round} calls went through on a full disk`)
    refused = (await read(stage, server)).includes('Sign-in fails') ? 0 : refused + 1
  }
}

/** What costs something upstream: mints and requests of tools. Ending tokens is always allowed. */
function asked(stage: Stage): string[] {
  return stage.github.journal
    .filter(({ path }) => path.startsWith('/repos/') || path.endsWith('/access_tokens'))
    .map(({ method, path, id }) => `${method} ${path} ${id}`)
}

function alive(stage: Stage): number {
  return stage.github.tokens().filter((token) => token.alive).length
}

async function status(stage: Stage): Promise<z.infer<typeof statusShape>> {
  return statusShape.parse(JSON.parse(await must(stage, ['status', '--json'])))
}

/** The client's own shim starts the daemon again. */
async function restarted(stage: Stage): Promise<z.infer<typeof statusShape>> {
  await read(stage, 'shared')
  const answer = await runJit(stage.home, ['status', '--json'])
  return statusShape.parse(JSON.parse(answer.stdout))
}
