import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { missing, startProgram } from './programs.ts'

const password = 'only-for-these-tests'

/** A PostgreSQL of its own on loopback, in a folder for temporary files. */
export interface Postgresql {
  readonly port: number
  readonly admin: { readonly user: string; readonly password: string }
  readonly psql: string
  /** Whether this login works, now. */
  login(user: string, password: string): boolean
  stop(): Promise<void>
}

/** The folder of the newest PostgreSQL's programs, which Debian has outside of PATH. */
export function findPostgresql(): string | undefined {
  const all = '/usr/lib/postgresql'
  const versions = existsSync(all) ? readdirSync(all).map(Number) : []
  const newest = Math.max(0, ...versions)
  return newest > 0 ? `${all}/${newest}/bin` : missing(`PostgreSQL is not in ${all}`)
}

export async function startPostgresql(programs: string): Promise<Postgresql> {
  const folder = mkdtempSync(join(tmpdir(), 'jit-postgresql-'))
  const owner = ownerOf()
  const secret = join(folder, 'password')
  writeFileSync(secret, password, { mode: 0o600 })
  if (owner.uid !== undefined && owner.gid !== undefined) for (const path of [folder, secret]) chownSync(path, owner.uid, owner.gid)
  const data = join(folder, 'data')
  const made = spawnSync(
    join(programs, 'initdb'),
    ['--pgdata', data, '--username', 'admin', '--pwfile', secret, '--auth', 'scram-sha-256', '--no-sync', '--encoding', 'UTF8'],
    { ...owner, cwd: folder, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb ended with ${made.status}: ${made.stderr}`)
  const port = await freePort()
  const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'fsync=off']
  const running = startProgram(join(programs, 'postgres'), ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], {
    ...owner,
    cwd: folder,
  })
  await running.says(/database system is ready to accept connections/)
  const psql = join(programs, 'psql')
  return {
    port,
    admin: { user: 'admin', password },
    psql,
    login: (user, given) =>
      spawnSync(psql, ['-h', '127.0.0.1', '-p', String(port), '-U', user, '-d', 'postgres', '-Atc', 'select 1'], {
        env: { PGPASSWORD: given, PGCONNECT_TIMEOUT: '10' },
        cwd: folder,
      }).status === 0,
    async stop() {
      // A fast shutdown: it would wait for its clients otherwise.
      running.child.kill('SIGINT')
      await running.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** PostgreSQL refuses to run as root. */
function ownerOf(): { readonly uid?: number; readonly gid?: number } {
  if (userInfo().uid !== 0) return {}
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout)
  return { uid: id('-u'), gid: id('-g') }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port is free')
  return address.port
}
