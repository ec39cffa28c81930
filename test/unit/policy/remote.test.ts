import { describe, expect, it } from 'vitest'
import { leaseOf, permitted, plainFacts, policyOf, problemsOf, reasonOf, toolCall } from './support.ts'

const remote = (more = '', allow = 'read'): string =>
  `  s:\n    url: https://mcp.acme.dev/mcp\n    provider: plain\n    inject: { mode: header }\n    allow: [${allow}]\n${more}`
const local = (more = ''): string => `  s:\n    run: [x]\n    allow: [read]\n${more}`
const shared = '    scope: { a: 1 }\n'

describe('a remote server', () => {
  it('takes rows without requests: the call itself is the request', () => {
    const policy = policyOf(remote('    tools: { read: { scope: { a: "${args.x}" } } }\n'))
    expect(leaseOf(policy.decide(toolCall('s', 'read', { x: 'y' })))).toMatchObject({ provider: 'plain', scope: { a: 'y' }, requests: [] })
  })

  it('may have one scope for what it lists, which rows of their own replace', () => {
    const policy = policyOf(
      remote(
        `${shared}    resources: ["memo://*"]\n    prompts: [greet]\n    tools: { write: { scope: { b: 2 } }, log: { credential: none }, when: { when: "args.x == 1" } }\n`,
        'read, write, log, when',
      ),
    )
    expect(permitted(policy.decide(toolCall('s', 'read', {})))).toMatchObject({
      rule: { path: 'servers.s.allow[0]' },
      grant: { scope: { a: 1 } },
    })
    expect(leaseOf(policy.decide(toolCall('s', 'write', {}))).scope).toEqual({ b: 2 })
    expect(permitted(policy.decide(toolCall('s', 'log', {}))).grant).toEqual({ credential: 'none' })
    expect(leaseOf(policy.decide(toolCall('s', 'when', { x: 1 }))).scope).toEqual({ a: 1 })
    expect(leaseOf(policy.decide(toolCall('s', 'memo://a', {}, 'resource'))).scope).toEqual({ a: 1 })
    expect(leaseOf(policy.decide(toolCall('s', 'greet', {}, 'prompt'))).scope).toEqual({ a: 1 })
    expect(reasonOf(policy.decide(toolCall('s', 'other', {})))).toMatch(/not listed/)
    expect(reasonOf(policy.decide(toolCall('s', 'when', { x: 2 })))).toMatch(/does not hold/)
  })

  it('whose scope names an argument denies what has none', () => {
    const policy = policyOf(remote('    scope: { a: "${args.x}" }\n    resources: ["memo://*"]\n'))
    expect(leaseOf(policy.decide(toolCall('s', 'read', { x: 'y' }))).scope).toEqual({ a: 'y' })
    expect(reasonOf(policy.decide(toolCall('s', 'memo://a', {}, 'resource')))).toMatch(/\(servers\.s\.scope\)/)
    expect(reasonOf(policy.decide(toolCall('s', 'read', {})))).toMatch(/x/)
  })

  it('keeps `where` for the tools that share its scope', () => {
    const policy = policyOf(remote(`${shared}    where: { owner: acme }\n`))
    expect(permitted(policy.decide(toolCall('s', 'read', { owner: 'acme' }))).effect).toBe('allow')
    expect(reasonOf(policy.decide(toolCall('s', 'read', { owner: 'evil' })))).toMatch(/where/)
    expect(reasonOf(policy.decide(toolCall('s', 'read', {})))).toMatch(/where/)
  })

  it('takes a `startup` without requests', () => {
    expect(policyOf(remote(`${shared}    startup: { scope: { b: 1 } }\n`)).servers.get('s')?.startup).toMatchObject({
      scope: { b: 1 },
      requests: [],
    })
  })

  it.each<[name: string, servers: string, problem: RegExp]>([
    [
      'a tool without a row or a scope',
      remote(),
      /s\.allow\[0\]: "read" is not defined.*a `scope` of the server is that of all tools without a row/,
    ],
    [
      'requests in a row',
      remote('    tools: { read: { scope: { a: 1 }, requests: ["GET /x"] } }\n'),
      /tools\.read\.requests: a remote server gets the call itself/,
    ],
    [
      'requests at its start',
      remote(`${shared}    startup: { scope: { a: 1 }, requests: ["GET /x"] }\n`),
      /startup\.requests: a remote server gets the call itself/,
    ],
    ['a scope that can never be', remote('    scope: { never: 1 }\n'), /s\.scope: nothing is ever that/],
    [
      'a scope without a provider',
      '  s:\n    url: https://a.dev/mcp\n    allow: [read]\n    scope: { a: 1 }\n',
      /s\.scope: a scope asks for a credential/,
    ],
    ['a scope of a local server', local(shared), /s\.scope: one scope for all tools is for remote servers/],
    ['a transport of a local server', local('    transport: sse\n'), /s\.transport: `transport` is for remote servers/],
    [
      'a start of a local server without requests',
      '  s:\n    run: [x]\n    provider: plain\n    inject: { env: T }\n    startup: { scope: { a: 1 } }\n',
      /s\.startup: needs `requests`/,
    ],
    ['another transport', remote(`${shared}    transport: stdio\n`), /s\.transport/],
    ['a working folder', remote(`${shared}    cwd: /srv\n`), /s\.cwd: `cwd` is for local servers/],
    ['an environment', remote(`${shared}    env: { A: b }\n`), /s\.env: `env` is for local servers/],
    ['variables', remote(`${shared}    pass: [A]\n`), /s\.pass: `pass` is for local servers/],
    ['open origins', remote(`${shared}    open: ["https://a.dev"]\n`), /s\.open: `open` is for local servers/],
    [
      'another way for the credential',
      remote(shared).replace('header', 'egress'),
      /s\.inject\.mode: a remote server \(`url`\) takes its credential with/,
    ],
    [
      'a password in the address',
      remote(shared).replace('mcp.acme.dev', 'me:secret@mcp.acme.dev'),
      /s\.url: an address holds no name and password/,
    ],
    ['a fragment', remote(shared).replace('/mcp\n', '/mcp#x\n'), /s\.url: the part behind "#"/],
    [
      'clear text',
      remote(shared).replace('https', 'http'),
      /s\.url: clear text goes only to loopback.*hosts: \{ "mcp\.acme\.dev:80": "127\.0\.0\.1:80" \} .*`jit config apply`/,
    ],
    ['another scheme', remote(shared).replace('https', 'ftp'), /s\.url: .* is not an http\(s\) address/],
    [
      'a header of the transport',
      remote(shared).replace('mode: header', 'mode: header, header: { name: Mcp-Session-Id, value: "${token}" }'),
      /s\.inject\.header\.name: "Mcp-Session-Id" is a header of the transport/,
    ],
    [
      'a header that no header is',
      remote(shared).replace('mode: header', 'mode: header, header: { name: "a b", value: "${token}" }'),
      /s\.inject\.header\.name: not a name of a header/,
    ],
    [
      'a header with a line break',
      remote(shared).replace('mode: header', 'mode: header, header: { value: "${token}\\r\\nX: y" }'),
      /s\.inject\.header\.value: a header has printable ASCII only/,
    ],
    [
      'a secret in the file',
      remote(shared).replace('mode: header', 'mode: header, header: { value: Bearer abc }'),
      /s\.inject\.header\.value: names no part of the credential/,
    ],
    [
      'a header in another mode',
      local('    provider: plain\n    inject: { env: T, header: { value: "${token}" } }\n'),
      /s\.inject\.header: `header` belongs to mode header/,
    ],
  ])('is refused with %s', (_, servers, problem) => {
    const problems = problemsOf(servers)
    expect(
      problems.filter((text) => problem.test(text)),
      problems.join('\n'),
    ).toHaveLength(1)
  })

  it('is refused with a provider that signs requests to AWS', () => {
    const aws = new Map([['plain', { ...plainFacts, kind: 'aws-sts', authentication: 'aws-sigv4' as const }]])
    expect(problemsOf(remote(shared), aws)).toEqual([
      expect.stringMatching(/s\.inject\.mode: a provider of kind aws-sts signs requests to AWS/),
    ])
  })

  it('gets nothing of a provider whose credentials are for another', () => {
    const bound = (origin: string) => new Map([['plain', { ...plainFacts, audience: 'origin' as const, origin }]])
    expect(problemsOf(remote(shared), bound('https://mcp.acme.dev'))).toEqual([])
    for (const origin of ['https://mcp.acme.dev:8443', 'http://mcp.acme.dev', 'https://acme.dev'])
      expect(problemsOf(remote(shared), bound(origin))).toEqual([
        expect.stringMatching(/s\.url: the credentials of "plain" are for .* and for nobody else/),
      ])
  })

  it.each([
    [
      'a part that nobody has',
      'Bearer ${secret}',
      undefined,
      /s\.inject\.header\.value: \${secret} of a provider of kind plain: .* nothing else/,
    ],
    ['a part with a hyphen', '${token} ${to-ken}', undefined, /s\.inject\.header\.value: "\${to-ken}" names no part/],
    ['a part without an end', '${token} ${token', undefined, /s\.inject\.header\.value: "\${token" names no part/],
    ['what only ends the credential', '${accessor}', ['accessor'], /s\.inject\.header\.value: \${accessor} of .*: jit ends it with that/],
    ['the usual header, and a provider without a token', undefined, ['token'], /s\.inject\.header: \${token} of .*: .* write `header:/],
  ])('is refused a header with %s', (_, value, refused, problem) => {
    const checkPart = refused && ((part: string) => (refused.includes(part) ? 'jit ends it with that' : undefined))
    const facts = new Map([['plain', { ...plainFacts, ...(checkPart === undefined ? {} : { checkPart }) }]])
    const header = value === undefined ? '' : `, header: { value: "${value}" }`
    expect(problemsOf(remote(shared).replace('mode: header', `mode: header${header}`), facts)).toEqual([expect.stringMatching(problem)])
    const pair = remote(shared).replace('mode: header', 'mode: header, header: { value: "${user}:${password}" }')
    if (checkPart !== undefined) expect(problemsOf(pair, facts)).toEqual([])
  })

  it('takes a key that outlives its leases: the broker itself puts it in', () => {
    expect(problemsOf(remote(shared), new Map([['plain', { ...plainFacts, longLived: true }]]))).toEqual([])
  })

  it('in clear text on loopback is reached where `network.hosts` says so', () => {
    const servers = remote(shared).replace('https://mcp.acme.dev', 'http://localhost:3000')
    expect(problemsOf(servers)).toHaveLength(1)
    expect(policyOf(servers, 'network: { hosts: { "localhost:3000": "127.0.0.1:3000" } }\n').servers.has('s')).toBe(true)
  })
})
