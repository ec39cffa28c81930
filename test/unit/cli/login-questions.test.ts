import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { githubApp } from '../../../providers/github-app/index.ts'
import { withGiven } from '../../../src/cli/commands/login.ts'
import { createAsker } from '../../../src/cli/login-questions.ts'
import { fillLogin, type Login } from '../../../src/cli/login-values.ts'
import { JitError } from '../../../src/core/errors.ts'
import { plainKind } from './support.ts'

const kind = plainKind(githubApp)

/** Somebody at a terminal, with their answers in order. */
describe('jit login on a terminal', () => {
  let folder: string
  const said: string[] = []
  const asked: string[] = []
  const key = (): string => join(folder, 'key.pem')

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'jit-login-'))
    writeFileSync(key(), '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n', { mode: 0o600 })
    writeFileSync(join(folder, 'notes.txt'), 'buy milk', { mode: 0o600 })
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  beforeEach(() => {
    said.length = 0
    asked.length = 0
  })

  const answering = (answers: readonly string[], given: Record<string, string> = {}): Promise<Login> => {
    const left = [...answers]
    const ask = createAsker(
      async (field) => {
        asked.push(field.name)
        return left.shift() ?? 'no answer is left'
      },
      ({ message, hint }) => said.push(message + hint),
    )
    return fillLogin(kind, new Map(Object.entries(given)), ask)
  }

  it('asks again at once for each answer that is wrong, and says what was wrong with it', async () => {
    const login = await answering([
      'acme-agents',
      '123456',
      'github.com/acme',
      'acme',
      join(folder, 'kye.pem'),
      join(folder, 'notes.txt'),
      key(),
    ])
    expect(asked).toEqual(['appId', 'appId', 'installation', 'installation', 'privateKey', 'privateKey', 'privateKey'])
    expect(login.config).toEqual({ appId: 123456, installation: 'acme' })
    expect(login.files).toEqual([key()])
    expect(said).toEqual([
      '--app-id takes the number on the App’s page, or its client id, not "acme-agents"',
      '--installation takes the login of the account the App is installed on, not "github.com/acme"',
      `--private-key: "${join(folder, 'kye.pem')}" cannot be read: there is no such file`,
      `--private-key takes the .pem file that GitHub downloaded, and "${join(folder, 'notes.txt')}" holds something else`,
    ])
  })

  it('asks three times at most', async () => {
    await expect(answering(['a', 'b', 'c', '123456'])).rejects.toThrow('not "c"')
    expect(asked).toEqual(['appId', 'appId', 'appId'])
  })

  it('asks nothing when an option that was given is wrong', async () => {
    await expect(answering([], { privateKey: join(folder, 'notes.txt') })).rejects.toThrow('holds something else')
    expect(asked).toEqual([])
  })

  it('takes - for no file: stdin is where the answers come from', async () => {
    await answering(['1', 'acme', '-', key()])
    expect(said.join()).toContain('"./-" cannot be read')
  })
})

describe('what GitHub refuses', () => {
  it('is said with the values that were tried, and their options', () => {
    const error = new JitError('provider.login', 'GitHub does not accept the identity', { hint: 'Wrong App id or key.' })
    expect(withGiven(error, kind, { appId: 999, installation: 'acme' })).toMatchObject({
      code: 'provider.login',
      message: error.message,
      hint: 'Wrong App id or key. It was tried with --app-id 999, --installation "acme".',
    })
    const other = new JitError('store.sealed', 'sealed')
    expect(withGiven(other, kind, { appId: 999 })).toBe(other)
  })
})
