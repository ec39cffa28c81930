import { execFile } from 'node:child_process'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { roleArn } from './fake/fixture.ts'
import { awsConfig } from './config.ts'
import { awsSts } from './index.ts'
import { shared } from './fake/registration.ts'

describe('the config of aws-sts', () => {
  it.each([
    ['no role', { region: 'eu-west-1' }],
    ['a wildcard for a role', { region: 'eu-west-1', roleArn: 'arn:aws:iam::123456789012:role/*' }],
    ['a user for a role', { region: 'eu-west-1', roleArn: 'arn:aws:iam::123456789012:user/x' }],
    ['a host for a region', { region: 'evil.example', roleArn }],
    ['two identities', { region: 'eu-west-1', roleArn, profile: 'x', webIdentityTokenFile: 'f', webIdentityRoleArn: roleArn }],
    ['a web identity without its role', { region: 'eu-west-1', roleArn, webIdentityTokenFile: 'f' }],
    ['a session shorter than AWS makes', { region: 'eu-west-1', roleArn, maximumDuration: 60 }],
    ['a field that nobody knows', { region: 'eu-west-1', roleArn, policy: '*' }],
  ])('refuses %s', (_, config) => {
    expect(awsConfig.safeParse(config).success).toBe(false)
  })

  it.each([
    ['eu-west-1', 'https://sts.eu-west-1.amazonaws.com'],
    ['us-gov-west-1', 'https://sts.us-gov-west-1.amazonaws.com'],
    ['cn-north-1', 'https://sts.cn-north-1.amazonaws.com.cn'],
  ])('asks the endpoint of %s', (region, origin) => {
    expect(awsSts.open(awsConfig.parse({ region, roleArn }), shared).origin).toBe(origin)
  })
})

it('a daemon that never mints at AWS loads nothing of AWS', async () => {
  const program = `
    const { providers } = await import('./providers/index.ts')
    const plugin = providers.find(({ kind }) => kind === 'aws-sts')
    plugin.open(plugin.config.parse({ region: 'eu-west-1', roleArn: '${roleArn}' }), { hasSecret: () => false })
    const { createRequire } = await import('node:module')
    const loaded = Object.keys(createRequire(process.cwd() + '/x.js').cache)
    console.log(JSON.stringify(loaded.filter((file) => /@aws-sdk|@smithy|iam-data/.test(file))))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: resolve(import.meta.dirname, '../..'),
  })
  expect(JSON.parse(stdout)).toEqual([])
})
