import { describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/core/json.ts'
import { operationDigest } from '../../../src/policy/operation.ts'
import { leaseOf, permitted, policyOf, problemsOf, reasonOf, toolCall } from './support.ts'

const policy = policyOf(`  github:
    run: [node, server.js]
    provider: acme
    preset: server-github
    where: { owner: acme, repo: [web, api] }
    allow: [get_issue, list_issues, create_issue, both]
    ask: [create_issue, add_issue_comment, both]
    deny: [both, merge_pull_request]
    ttl: 2m
    resources: ["docs://public/*", "docs://one"]
    prompts: [summary]
    tools:
      both: { credential: none, where: none }
  plain:
    run: [node, server.js]
    where: { repo: web }
    allow: [anything]
`)
const issue = { owner: 'acme', repo: 'web', issue_number: 42 }

describe('a decision', () => {
  it('grants a scope and request rules filled from the arguments', () => {
    const decision = policy.decide(toolCall('github', 'get_issue', issue))
    expect(decision).toMatchObject({
      effect: 'allow',
      rule: { source: 'config', path: 'servers.github.allow[0]' },
      resource: 'acme/web#42',
      used: issue,
    })
    expect(leaseOf(decision)).toEqual({
      credential: 'lease',
      provider: 'acme',
      scope: { repositories: ['acme/web'], permissions: { issues: 'read' } },
      requests: [
        {
          text: 'GET https://api.github.com/repos/acme/web/issues/42',
          method: 'GET',
          origin: 'https://api.github.com',
          segments: [
            { kind: 'literal', value: 'repos', ignoreCase: false },
            { kind: 'literal', value: 'acme', ignoreCase: true },
            { kind: 'literal', value: 'web', ignoreCase: true },
            { kind: 'literal', value: 'issues', ignoreCase: false },
            { kind: 'literal', value: '42', ignoreCase: false },
          ],
          query: [],
        },
      ],
      ttl: 120_000,
      lifetime: 'ttl',
    })
  })

  it.each([
    ['deny beats ask and allow', 'both', 'deny'],
    ['ask beats allow', 'create_issue', 'ask'],
    ['allow allows', 'list_issues', 'allow'],
    ['what is not listed is denied', 'get_pull_request', 'deny'],
  ])('%s', (_, tool, effect) => {
    expect(policy.decide(toolCall('github', tool, { owner: 'acme', repo: 'web', title: 't' })).effect).toBe(effect)
  })

  it('hides what may never be called, with nothing that tells it from what does not exist', () => {
    for (const tool of ['both', 'get_pull_request', 'nonsense', 'merge_pull_request', '__proto__', 'constructor', 'gеt_issue']) {
      expect(policy.decide(toolCall('github', tool, issue))).toMatchObject({ effect: 'deny', hidden: true })
      expect(policy.servers.get('github')?.visible(tool)).toBe(false)
    }
    expect(policy.decide(toolCall('nobody', 'get_issue', issue))).toMatchObject({ effect: 'deny', hidden: true })
    expect(policy.servers.get('github')?.visible('get_issue')).toBe(true)
    expect(policy.servers.get('github')?.visible('create_issue')).toBe(true)
  })

  it('says in one sentence which value met which rule', () => {
    const denial = policy.decide(toolCall('github', 'get_issue', { ...issue, repo: 'secret' }))
    expect(denial).toMatchObject({
      code: 'policy.argument',
      hidden: false,
      rule: { source: 'config', path: 'servers.github.where.repo' },
      reason: 'repo "secret" is not among web, api (servers.github.where.repo)',
      used: { owner: 'acme', repo: 'secret' },
    })
    expect(reasonOf(policy.decide(toolCall('github', 'get_issue', { ...issue, owner: 'evil' })))).toBe(
      'owner "evil" is not acme (servers.github.where.owner)',
    )
    expect(reasonOf(policy.decide(toolCall('github', 'get_issue', { owner: 'acme', issue_number: 1 })))).toBe(
      'the call has no repo (servers.github.where.repo)',
    )
    expect(reasonOf(policy.decide(toolCall('github', 'get_issue', { ...issue, issue_number: 0 })))).toBe(
      'the condition "args.issue_number > 0" does not hold for this call (server-github.tools.get_issue.when)',
    )
  })

  it('compares GitHub’s names without case, and only those, and only in ASCII', () => {
    expect(policy.decide(toolCall('github', 'get_issue', { ...issue, owner: 'ACME', repo: 'Web' })).effect).toBe('allow')
    const kelvin = policyOf(
      '  s:\n    run: [x]\n    provider: acme\n    inject: { env: T }\n    where: { repo: kit, path: dev }\n    allow: [t]\n    tools: { t: { scope: { repositories: ["a/b"], permissions: { issues: read } }, requests: [GET /], arguments: [repo, path] } }\n',
    )
    expect(kelvin.decide(toolCall('s', 't', { repo: 'KIT', path: 'dev' })).effect).toBe('allow')
    expect(kelvin.decide(toolCall('s', 't', { repo: '\u212Ait', path: 'dev' })).effect).toBe('deny')
    expect(kelvin.decide(toolCall('s', 't', { repo: 'kit', path: 'DEV' })).effect).toBe('deny')
    expect(policy.decide(toolCall('plain', 'anything', { repo: 'WEB' })).effect).toBe('deny')
  })

  it('allows a tool without a provider without a credential, still under where', () => {
    expect(permitted(policy.decide(toolCall('plain', 'anything', { repo: 'web' }))).grant).toEqual({ credential: 'none' })
    expect(reasonOf(policy.decide(toolCall('plain', 'anything', {})))).toContain('the call has no repo')
  })

  it.each([
    ['null', null],
    ['an object', { toString: 'web' }],
    ['a nested list', [['web']]],
    ['an empty list', []],
    ['a list with a stranger', ['web', 'secret']],
    ['a number', 1],
    ['true', true],
    ['another case', 'WEB'],
    ['white space', 'web '],
    ['five kilobytes', 'w'.repeat(5000)],
  ])('takes %s for no value that where admits', (_, repo) => {
    expect(policy.decide(toolCall('plain', 'anything', { repo })).effect).toBe('deny')
  })

  it('admits a list when where admits all of it', () => {
    expect(policy.decide(toolCall('plain', 'anything', { repo: ['web', 'web'] })).effect).toBe('allow')
  })

  it('reads only what the call itself carries, not what objects inherit', () => {
    for (const name of ['toString', 'hasOwnProperty', 'constructor.name']) {
      const inherited = policyOf(`  s: { run: [x], where: { ${name}: Object }, allow: [t] }\n`)
      expect(reasonOf(inherited.decide(toolCall('s', 't', {})))).toContain(`the call has no ${name}`)
    }
  })

  it('denies an argument that it reads in another spelling, which a server might read: alone, or beside the right one', () => {
    const lenient = policyOf(`  s: { run: [x], allow: [t], tools: { t: { when: "!has(args.force) || args.force == false" } } }\n`)
    expect(lenient.decide(toolCall('s', 't', { force: false, other: 1 })).effect).toBe('allow')
    for (const name of ['Force', 'FORCE', '\uff46orce']) {
      for (const args of [{ [name]: true }, { force: false, [name]: true }])
        expect(reasonOf(lenient.decide(toolCall('s', 't', args)))).toContain('in another spelling')
    }
  })

  describe('of an argument within an object', () => {
    const [scope, requests] = ['scope: { repository: "${args.target.repo}" }', 'requests: []']
    const reading: [string, string][] = [
      ['its scope', `provider: plain, inject: { env: T }, tools: { t: { ${scope}, ${requests} } }`],
      ['a path', 'provider: plain, inject: { env: T }, tools: { t: { scope: {}, requests: ["GET /repos/${args.target.repo}"] } }'],
      ['a query', 'provider: plain, inject: { env: T }, tools: { t: { scope: {}, requests: ["GET /repos?name=${args.target.repo}"] } }'],
      [
        'a body',
        'provider: plain, inject: { env: T }, tools: { t: { scope: {}, requests: [{ request: "POST /x", body: { /a: "${args.target.repo}" } }] } }',
      ],
      [
        'a header',
        'provider: plain, inject: { env: T }, tools: { t: { scope: {}, requests: [{ request: "POST /x", headers: { x-a: "${args.target.repo}" } }] } }',
      ],
      ['its own where', 'tools: { t: { where: { target.repo: web } } }'],
      ['the server’s where', 'where: { target.repo: web }'],
      ['a condition', 'tools: { t: { when: "args.target.repo == \'web\'" } }'],
      ['a condition that asks whether it is there', 'tools: { t: { when: "!has(args.target.repo) || args.target.repo == \'web\'" } }'],
    ]
    it.each(reading)('denies another spelling that %s reads, alone or beside the right one, and nothing else', (_, rest) => {
      const nested = policyOf(`  s: { run: [x], allow: [t], ${rest} }\n`)
      const decide = (target: object, more: object = {}) =>
        nested.decide(toolCall('s', 't', JSON.parse(JSON.stringify({ target, ...more }))))
      expect(decide({ repo: 'web', other: 1 }, { Repo: 'x', deep: { Repo: 'x' } }).effect).toBe('allow')
      for (const name of ['Repo', 'REPO', '\uff52epo']) {
        for (const target of [{ [name]: 'secret' }, { repo: 'web', [name]: 'secret' }])
          expect(reasonOf(decide(target))).toContain(`"target.${name}" is one that policy reads, in another spelling`)
      }
      expect(reasonOf(decide({ repo: 'web' }, { Target: { repo: 'secret' } }))).toContain('"Target" is one')
    })

    it('denies it in each item of a list', () => {
      const nested = policyOf(`  s: { run: [x], allow: [t], tools: { t: { when: "args.files.all(file, file.at.path != 'x')" } } }\n`)
      const decide = (...files: object[]) => nested.decide(toolCall('s', 't', JSON.parse(JSON.stringify({ files }))))
      expect(decide({ at: { path: 'a' } }, { at: { path: 'b', Other: 1 }, Path: 1 }).effect).toBe('allow')
      expect(reasonOf(decide({ at: { path: 'a' } }, { at: { path: 'b', Path: 'x' } }))).toContain('"files.1.at.Path"')
      expect(reasonOf(decide({ at: { path: 'a' }, AT: { path: 'x' } }))).toContain('"files.0.AT"')
    })
  })

  it('names the arguments it reads, for the check of case variants', () => {
    expect([...(policy.servers.get('github')?.constrained('get_issue') ?? [])].sort()).toEqual(['issue_number', 'owner', 'repo'])
    expect([...(policy.servers.get('github')?.constrained('add_issue_comment') ?? [])].sort()).toEqual([
      'body',
      'issue_number',
      'owner',
      'repo',
    ])
    expect(policy.servers.get('github')?.constrained('nonsense').size).toBe(0)
  })

  it('is the same for the same call, and never changes the call', () => {
    const operation = toolCall('github', 'get_issue', issue)
    const before = JSON.stringify(operation)
    expect(policy.decide(operation)).toEqual(policy.decide(operation))
    expect(JSON.stringify(operation)).toBe(before)
    expect(Object.isFrozen(operation.args)).toBe(true)
  })
})

describe('resources and prompts', () => {
  it.each([
    ['docs://public/a', true],
    ['docs://public/a/b.md', true],
    ['docs://public/', true],
    ['docs://one', true],
    ['docs://one/more', false],
    ['docs://private/a', false],
    ['docs://public/../private/a', false],
    ['docs://public/..', false],
    ['docs://public/%2e%2e/private', false],
    ['docs://public/a%2fb', false],
    ['docs://public/a%252e', false],
    ['docs://public/a\\..\\b', false],
    ['docs://public/a\u0000', false],
    ['docs://public/./a', false],
    ['docs://public/v1..2', true],
    ['DOCS://public/a', false],
    [`docs://public/${'a'.repeat(5000)}`, false],
  ])('%s: %s', (uri, allowed) => {
    const decision = policy.decide(toolCall('github', uri, {}, 'resource'))
    expect(decision.effect).toBe(allowed ? 'allow' : 'deny')
    expect(policy.servers.get('github')?.resourceVisible(uri)).toBe(allowed)
    if (allowed) expect(permitted(decision).grant).toEqual({ credential: 'none' })
  })

  it('a prompt is allowed by name', () => {
    expect(policy.decide(toolCall('github', 'summary', {}, 'prompt')).effect).toBe('allow')
    expect(policy.decide(toolCall('github', 'other', {}, 'prompt'))).toMatchObject({ effect: 'deny', hidden: true })
    expect(policy.servers.get('github')?.promptVisible('summary')).toBe(true)
  })
})

describe('rows with cases', () => {
  const cases = policyOf(`  s:
    run: [x]
    provider: plain
    inject: { env: T }
    where: { project: p }
    allow: [t, free]
    tools:
      t:
        - { when: 'args.method == "get"', scope: { read: true }, requests: ["GET /\${args.project}"], lifetime: call }
        - { when: 'args.method == "set"', where: { force: false }, scope: { write: true }, requests: ["PUT /\${args.project}"], ttl: 1m, arguments: [project] }
      free: { where: none, credential: none }
`)
  it('the first case whose condition holds counts', () => {
    expect(leaseOf(cases.decide(toolCall('s', 't', { project: 'p', method: 'get' })))).toMatchObject({
      scope: { read: true },
      lifetime: 'call',
      ttl: 300_000,
    })
    expect(leaseOf(cases.decide(toolCall('s', 't', { project: 'p', method: 'set', force: false })))).toMatchObject({
      scope: { write: true },
      lifetime: 'ttl',
      ttl: 60_000,
    })
  })

  it.each([
    ['no case covers it', { project: 'p', method: 'delete' }, 'none of the 2 cases of "t" covers this call (servers.s.tools.t[0])'],
    ['a condition cannot be evaluated', { project: 'p' }, /cannot be evaluated.*\(servers\.s\.tools\.t\[0\]\.when\)/],
    [
      'the row’s own where does not hold',
      { project: 'p', method: 'set', force: true },
      'force true is not false (servers.s.tools.t[1].where.force)',
    ],
    ['the row’s own where finds nothing', { project: 'p', method: 'set' }, 'the call has no force (servers.s.tools.t[1].where.force)'],
    ['the server’s where does not hold', { project: 'q', method: 'get' }, 'project "q" is not p (servers.s.where.project)'],
  ])('denied when %s', (_, args, reason) => {
    expect(reasonOf(cases.decide(toolCall('s', 't', args)))).toMatch(reason)
  })

  it('where: none sets a row free of the server’s where', () => {
    expect(cases.decide(toolCall('s', 'free', {})).effect).toBe('allow')
  })

  it('a row of the server replaces the preset’s', () => {
    const own = policyOf(`  s:
    run: [x]
    provider: acme
    preset: server-github
    allow: [get_issue]
    tools: { get_issue: { scope: { repositories: [acme/docs], permissions: { metadata: read } }, requests: [GET /meta] } }
`)
    expect(leaseOf(own.decide(toolCall('s', 'get_issue', {}))).scope).toEqual({
      repositories: ['acme/docs'],
      permissions: { metadata: 'read' },
    })
  })
})

describe('lifetimes', () => {
  const lifetimeOf = (lines: string, row = ''): string => {
    const policy = policyOf(
      `  s:\n    run: [x]\n    provider: plain\n    allow: [t]\n${lines}    tools: { t: { scope: { a: 1 }, requests: [GET /]${row} } }\n`,
    )
    return leaseOf(policy.decide(toolCall('s', 't', {}))).lifetime
  }
  it('is the row’s, else the server’s, else the config’s; a token in an environment lives for one call unless said otherwise', () => {
    expect(lifetimeOf('    inject: { env: T }\n')).toBe('ttl')
    expect(lifetimeOf('    inject: { env: T }\n    lifetime: call\n')).toBe('call')
    expect(lifetimeOf('    inject: { env: T }\n    lifetime: call\n', ', lifetime: ttl')).toBe('ttl')
    expect(lifetimeOf('    inject: { mode: env, env: T }\n')).toBe('call')
    expect(lifetimeOf('    inject: { mode: env, env: T }\n    lifetime: ttl\n')).toBe('ttl')
  })
})

describe('startup', () => {
  it('is a grant without arguments, and its origin may be reached', () => {
    const server = policyOf(`  s:
    run: [x]
    provider: plain
    inject: { env: T }
    startup: { scope: { a: 1 }, requests: [GET /user, "GET https://other.dev:8443/x"], ttl: 30s }
`).servers.get('s')
    expect(server?.startup).toMatchObject({ provider: 'plain', scope: { a: 1 }, ttl: 30_000 })
    expect([...(server?.origins ?? [])]).toEqual(['https://api.plain.dev', 'https://other.dev:8443'])
    expect(policy.servers.get('github')?.startup).toBeUndefined()
  })

  it('takes nothing from a call', () => {
    expect(
      problemsOf(
        '  s:\n    run: [x]\n    provider: plain\n    inject: { env: T }\n    startup: { scope: { a: "${args.x}" }, requests: [GET /] }\n',
      ),
    ).toEqual(['10:5 servers.s.startup: names the argument x, but at start there is no call to take it from'])
  })
})

describe('the digest of an operation', () => {
  it('covers every field', () => {
    const base = { server: 's', kind: 'tool' as const, name: 't', args: { a: 1 }, definition: 'd' }
    const others = [{ server: 'x' }, { kind: 'prompt' as const }, { name: 'x' }, { args: { a: 2 } }, { definition: 'x' }].map((change) =>
      operationDigest({ ...base, ...change }),
    )
    expect(new Set([operationDigest(base), ...others]).size).toBe(6)
    expect(operationDigest({ ...base, args: { a: 1 } })).toBe(operationDigest(base))
    expect(operationDigest({ ...base, name: '"}' })).toBe(digestOf({ ...base, name: '"}' }))
  })
})
