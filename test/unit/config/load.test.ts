import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { JitError } from '../../../src/core/errors.ts'
import { loadConfig } from '../../../src/config/load.ts'
import type { ConfigProblem, PresetSource } from '../../../src/config/types.ts'
import { cases } from '../../support/cases.ts'

const preset = {
  preset: 'tracker',
  description: 'An issue tracker',
  provider: 'github-app',
  source: 'test',
  inject: { mode: 'egress' as const, env: 'TRACKER_TOKEN' },
  tools: { read: { requests: ['GET /x'], scope: { repositories: ['a/b'] } } },
}
const presets: PresetSource = Object.assign((name: string) => (name === 'tracker' ? preset : undefined), { names: ['tracker'] })
const kinds = new Map<string, z.ZodType>([
  ['github-app', z.strictObject({ appId: z.int().min(1), installation: z.string() })],
  ['vault', z.strictObject({ address: z.string() })],
])
const check = { kinds, presets }

const good = `version: 1
providers:
  acme: { kind: github-app, appId: 1, installation: acme }
servers:
  tracker:
    run: [node, server.js]
    provider: acme
    preset: tracker
    allow: [read]
`

describe('loading a config', () => {
  it('fills in defaults and digests the text', () => {
    const loaded = loadConfig('jit.yaml', good, check)
    expect(loaded.config.ttl).toBe(300_000)
    expect(loaded.config.servers['tracker']?.isolation).toBe('partition')
    expect(loaded.digest).toMatch(/^[0-9a-f]{64}$/)
    expect(loaded.source.locate(['servers', 'tracker', 'allow', 0])).toEqual({ line: 9, column: 13 })
  })

  it('takes what the preset says about injection where the file says nothing, and no more than that', () => {
    expect(loadConfig('jit.yaml', good, check).config.servers['tracker']?.inject).toEqual({ mode: 'egress', env: 'TRACKER_TOKEN' })
    const own = good.replace('    allow:', '    inject: { env: MY_TOKEN }\n    allow:')
    expect(loadConfig('jit.yaml', own, check).config.servers['tracker']?.inject).toEqual({ mode: 'egress', env: 'MY_TOKEN' })
  })

  it('reads sections that are left empty as absent', () => {
    expect(loadConfig('jit.yaml', 'version: 1\nservers:\nproviders:\n', check).config.servers).toEqual({})
  })

  const broken: [name: string, text: string, at: string, message: RegExp, suggestion?: string][] = [
    ['an unknown key', good.replace('    allow:', '    alow:'), 'servers.tracker.alow 9:5', /not an option/, 'allow'],
    ['an unknown key at the top', `${good}serverz: {}\n`, 'serverz 10:1', /not an option/, 'servers'],
    ['an unknown key of a provider kind', good.replace('appId', 'apId'), 'providers.acme.apId 3:29', /not an option/, 'appId'],
    [
      'an unknown key in a tool row',
      `${good}    tools:\n      read:\n        request: [GET /x]\n`,
      'servers.tracker.tools.read.request 12:9',
      /not an option/,
      'requests',
    ],
    [
      'an unknown key in one case of a row',
      `${good}    tools:\n      read:\n        - scop: {}\n`,
      'servers.tracker.tools.read[0].scop 12:11',
      /not an option/,
      'scope',
    ],
    [
      'an unknown key in a request rule',
      `${good}    tools: { read: { requests: [{ request: GET /x, captur: {} }] } }\n`,
      'servers.tracker.tools.read.requests[0].captur 10:52',
      /not an option/,
      'capture',
    ],
    ['a wrong type', good.replace('[read]', 'read'), 'servers.tracker.allow 9:5', /must be a list, not a text/],
    ['a duration without its unit', `${good}    ttl: 5\n`, 'servers.tracker.ttl 10:5', /a duration is a number and a unit: 500ms/],
    ['a wrong word', `${good}    sampling: alow\n`, 'servers.tracker.sampling 10:5', /one of "allow", "deny", not "alow"/, 'allow'],
    ['a bad duration', `${good}ttl: 5 minutes\n`, 'ttl 10:1', /500ms/],
    ['a missing version', good.replace('version: 1\n', ''), 'version 1:1', /missing: write `version: 1`/],
    ['a duplicate key', good.replace('    allow:', '    run: [x]\n    allow:'), ' 9:5', /"run" stands here twice/],
    ['a broken line', good.replace('[read]', '[read'), ' 10:1', /./],
    [
      'a provider that does not exist',
      good.replace('provider: acme', 'provider: acne'),
      'servers.tracker.provider 7:5',
      /no provider is named "acne"/,
      'acme',
    ],
    [
      'a kind that does not exist',
      good.replace('kind: github-app', 'kind: github-ap'),
      'providers.acme.kind 3:11',
      /no provider of kind/,
      'github-app',
    ],
    [
      'a preset that does not exist',
      good.replace('preset: tracker', 'preset: traker'),
      'servers.tracker.preset 8:5',
      /no preset "traker", but tracker/,
      'tracker',
    ],
    [
      'a preset of another kind',
      good.replace('{ kind: github-app, appId: 1, installation: acme }', '{ kind: vault, address: x }'),
      'servers.tracker.preset 8:5',
      /written for a provider of kind github-app/,
    ],
    ['no command and no address', good.replace('    run: [node, server.js]\n', ''), 'servers.tracker 5:3', /needs `run`/],
    [
      'a command and an address',
      good.replace('    provider:', '    url: https://x.dev/mcp\n    provider:'),
      'servers.tracker.url 7:5',
      /exclude each other/,
    ],
    ['a name no tool can have', good.replace('[read]', '["re ad"]'), 'servers.tracker.allow[0] 9:13', /cannot be a tool's name/],
    ['a confusable name', good.replace('[read]', '[rеad]'), 'servers.tracker.allow[0] 9:13', /cannot be a tool's name/],
    ['no variable for the placeholder', good.replace('    preset: tracker\n', ''), 'servers.tracker.inject.env 5:3', /names no variable/],
    [
      'an injection of nothing',
      good.replace(/ {4}provider: .*\n {4}preset: tracker\n/, '    inject: { mode: egress }\n'),
      'servers.tracker.inject.mode 7:15',
      /no credential to inject: name a `provider`/,
    ],
    [
      'endpoint without an address variable',
      good.replace('    allow:', '    inject: { mode: endpoint }\n    allow:'),
      'servers.tracker.inject.url 9:5',
      /takes the address/,
    ],
    [
      'a credential of the daemon passed through',
      good.replace('    allow:', '    pass: [TRACKER_TOKEN]\n    allow:'),
      'servers.tracker.pass[0] 9:12',
      /filled by `inject`/,
    ],
    [
      '`where: none` for a whole server',
      good.replace('    allow:', '    where: none\n    allow:'),
      'servers.tracker.where 9:5',
      /^`where: none` belongs to the row of one tool/,
    ],
    [
      'a text as `where`',
      good.replace('    allow:', '    where: acme\n    allow:'),
      'servers.tracker.where 9:5',
      /must be a map, not a text/,
    ],
    ['__proto__ as a key', good.replace('    allow:', '    __proto__: {}\n    allow:'), ' 9:5', /not allowed/],
    ['a tag', good.replace('[read]', '!!js/function "x"'), ' 9:12', /tag/i],
    ['a number as a key', good.replace('    allow:', '    1: x\n    allow:'), 'servers.tracker.1 9:5', /not an option/],
    ['a merge key', good.replace('    allow:', '    <<: {}\n    allow:'), 'servers.tracker.<< 9:5', /not an option/],
    ['a list', '- 1\n', ' 1:1', /holds a list, where it has to hold keys with values: begin it with `version: 1`/],
    ['nothing', '', ' 1:1', /the file is empty: write `version: 1`/],
    ['a comment alone', '# later\n', ' 1:1', /the file is empty: write `version: 1`/],
    ['two documents', 'version: 1\n---\nversion: 1\n', ' 2:1', /./],
  ]
  it.each(broken)('refuses %s with its position', (_, text, at, message, suggestion) => {
    const problems = problemsOf(text)
    const found = problems.find((problem) => `${problem.path} ${problem.line}:${problem.column}` === at)
    expect(found, JSON.stringify(problems)).toBeDefined()
    expect(found?.message).toMatch(message)
    expect(found?.suggestion).toBe(suggestion === undefined ? undefined : `Did you mean "${suggestion}"?`)
  })

  it('names file, line and nearest key in the error itself', () => {
    expect(() => loadConfig('/home/a/jit.yaml', good.replace('    allow:', '    alow:'), check)).toThrow(
      '/home/a/jit.yaml:9:5: servers.tracker.alow: "alow" is not an option here. Did you mean "allow"?',
    )
  })

  it('reports all problems at once', () => {
    expect(
      problemsOf(good.replace('provider: acme', 'provider: acne').replace('[read]', '["a b"]')).map((problem) => problem.line),
    ).toEqual([7, 9])
  })

  it.each([
    [
      'a bomb of aliases',
      `a: &a [x, x, x, x, x, x, x, x, x, x]\n${['b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name, i) => `${name}: &${name} [${Array.from({ length: 9 }, () => `*${'abcdefg'[i]}`).join(', ')}]`).join('\n')}\n`,
    ],
    ['deep nesting', `a: ${'['.repeat(200_000)}`],
    ['deep closed nesting', `a: ${'['.repeat(20_000)}${']'.repeat(20_000)}`],
    ['a megabyte', `# ${'x'.repeat(1024 * 1024)}\nversion: 1\n`],
  ])('refuses %s quickly', (_, text) => {
    const started = performance.now()
    expect(problemsOf(text).length).toBeGreaterThan(0)
    expect(performance.now() - started).toBeLessThan(5000)
  })

  it('either loads a text or throws config.invalid with positions inside it', () => {
    const lines = good.split('\n')
    const damage = fc.tuple(fc.nat(lines.length - 1), fc.string({ maxLength: 20 }), fc.boolean())
    fc.assert(
      fc.property(fc.array(damage, { maxLength: 3 }), (damages) => {
        const text = damages
          .reduce((all, [line, junk, replace]) => all.with(line, replace ? junk : (all[line] ?? '') + junk), lines)
          .join('\n')
        for (const problem of problemsOf(text)) {
          expect(problem.line).toBeGreaterThan(0)
          expect(problem.line).toBeLessThanOrEqual(text.split(/\r\n|\r|\n/).length + 1)
          expect(problem.message).not.toBe('')
        }
      }),
      { numRuns: cases(300) },
    )
  })
})

function problemsOf(text: string): ConfigProblem[] {
  try {
    loadConfig('jit.yaml', text, check)
    return []
  } catch (error) {
    if (!(error instanceof JitError) || error.code !== 'config.invalid') throw error
    return z.array(z.custom<ConfigProblem>()).parse(error.details['problems'])
  }
}
