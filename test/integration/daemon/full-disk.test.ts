import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { LineClient } from '../../bench/driver.ts'
import { demoEnvironment, launcher, root, runJit } from '../../support/command.ts'
import { canMount, tinyDisk } from '../../support/tiny-disk.ts'
import { type RunningDaemon, startDaemon } from './running-daemon.ts'

const fixture = join(root, 'test/support/fixture-server.mjs')
const config = `version: 1\nservers:\n  one:\n    run: [node, ${JSON.stringify(fixture)}]\n    allow: [big]\n`

describe.skipIf(!canMount())('a daemon on a full disk', () => {
  it('starts, refuses calls, locks and revokes, and recovers without a restart', async () => {
    const home = tinyDisk(2 * 1024 * 1024)
    // The client that stays connected starts one, too, when it loses its daemon.
    onTestFinished(async () => void (await runJit(home, ['stop'])))
    writeFileSync(join(home, 'jit.yaml'), config, { mode: 0o600 })
    const first = await startDaemon(home)
    fill(home)
    await useUpLastPage(first)
    first.signal('SIGKILL')
    await first.ended

    const daemon = await startDaemon(home)
    expect(daemon.alive()).toBe(true)
    expect(await warnings(daemon)).toContainEqual(expect.stringContaining('trail cannot be written'))
    const client = new LineClient(process.execPath, [launcher, 'connect', 'one'], demoEnvironment(home))
    await client.initialize().catch(() => undefined)
    const refused = await client.request('tools/call', { name: 'big', arguments: { size: 1 } })
    expect(JSON.parse(refused)).toMatchObject({ error: { code: expect.toSatisfy((code) => code === 2000 || code === 1302) } })
    expect((await daemon.ask('POST', '/v1/revoke', { body: { all: true } })).status).toBe(200)
    expect((await daemon.ask('POST', '/v1/lock')).body).toMatchObject({ locked: true })
    daemon.signal('SIGKILL')
    await daemon.ended

    const again = await startDaemon(home)
    expect((await again.ask('GET', '/v1/status')).body).toMatchObject({ locked: true })
    rmSync(join(home, 'ballast'))
    expect((await again.ask('POST', '/v1/unlock')).body).toMatchObject({ locked: false })
    const answer = await client.request('tools/call', { name: 'big', arguments: { size: 1 } })
    expect(JSON.parse(answer)).toHaveProperty('result')
    client.close()
    expect(await warnings(again)).toEqual([])
    expect((await again.ask('GET', '/v1/audit/verify')).body).toMatchObject({ ok: true, problems: [] })
    expect(again.log()).not.toContain('daemon failed')
  })
})

function fill(home: string): void {
  writeFileSync(join(home, 'ballast'), '')
  spawnSync('/bin/dd', ['if=/dev/zero', `of=${join(home, 'ballast')}`, 'bs=4096'])
}

/** The block that the trail ends in still takes some records. */
async function useUpLastPage(daemon: RunningDaemon): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    await daemon.ask('POST', '/v1/lock')
    await daemon.ask('POST', '/v1/unlock')
    if (JSON.stringify(await warnings(daemon)).includes('trail cannot be written')) return
  }
  throw new Error('the disk does not run full')
}

async function warnings(daemon: RunningDaemon): Promise<unknown> {
  const { body } = await daemon.ask('GET', '/v1/status')
  return typeof body === 'object' && body !== null ? Reflect.get(body, 'warnings') : undefined
}
