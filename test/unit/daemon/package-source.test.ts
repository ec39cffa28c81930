import { describe, expect, it } from 'vitest'
import { type InstallerFailure, runInstaller } from '../../../src/daemon/package-source.ts'

const install = (script: string, patience: number, failure: InstallerFailure = 'other'): Promise<void> =>
  runInstaller({
    tool: 'npm',
    command: process.execPath,
    args: ['-e', script],
    place: '/',
    registry: {},
    spec: 'some-server@1',
    authority: 'name it there',
    answered: /^npm http fetch [A-Z]+ \d{3} /m,
    patience,
    hopeless: /failed with \w*CERT/,
    read: (stderr) => ({ said: JSON.stringify(stderr), failure }),
  })
const silent = 'setTimeout(() => {}, 60_000)'
const answered = 'process.stderr.write("npm http fetch GET 200 https://registry.example/\\n"); setTimeout(() => {}, 1_000)'

describe('an installer', () => {
  it('is ended when no registry answers, with what to do', async () => {
    await expect(install(silent, 50)).rejects.toMatchObject({
      code: 'server.start',
      message: 'npm could not install "some-server@1": its registry did not answer within 0.05 s',
      hint: expect.stringContaining('belongs in npm’s own configuration file'),
    })
  })

  it('is ended as soon as it cannot end well', async () => {
    const script = `process.stderr.write("attempt 1 failed with CERT_X"); ${silent}`
    await expect(install(script, 60_000, 'untrusted')).rejects.toMatchObject({
      message: 'npm could not install "some-server@1": "attempt 1 failed with CERT_X"',
      hint: expect.stringContaining('If it is your company’s'),
    })
  })

  it('has its time once a registry has answered', async () => {
    await expect(install(answered, 500)).resolves.toBeUndefined()
  })

  it.each([
    ['broken', 'Do not use it before'],
    ['untrusted', 'If it is your company’s: name it there, or name its file in NODE_EXTRA_CA_CERTS'],
    ['unreached', 'Is the network there?'],
    ['other', 'Check the name'],
  ] as const)('that failed because of something %s says what to do about that', async (failure, hint) => {
    await expect(install('process.stderr.write("its words"); process.exit(1)', 60_000, failure)).rejects.toMatchObject({
      code: 'server.start',
      message: 'npm could not install "some-server@1": "its words"',
      hint: expect.stringContaining(hint),
    })
  })
})
