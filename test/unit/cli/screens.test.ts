import { describe, expect, it } from 'vitest'
import type { ExplainView, ProposalEffectView, SandboxView, StatusView } from '../../../src/api/schema.ts'
import { pick } from '../../../src/cli/answer.ts'
import { type Approval, approvalCard } from '../../../src/cli/approval-card.ts'
import { inShort } from '../../../src/cli/changes.ts'
import { bindsAll, proposalCard } from '../../../src/cli/proposal-card.ts'
import { explanation } from '../../../src/cli/commands/explain.ts'
import { report } from '../../../src/cli/commands/doctor.ts'
import { statusScreen } from '../../../src/cli/commands/status.ts'
import { scopeText } from '../../../src/cli/output/scope.ts'
import { receiptSummary, receiptTable, type ReceiptView } from '../../../src/cli/receipts.ts'

type Change = ProposalEffectView['effect']['changes'][number]

const scope = { repositories: ['acme/web'], permissions: { issues: 'read' } }

describe('a scope', () => {
  it.each([
    ['of GitHub', scope, 'issues: read on acme/web'],
    ['for public data', { public: true }, 'public data'],
    ['of another provider', { policies: ['x\u001b'] }, 'policies: x\\u001b'],
    ['that is none', undefined, ''],
  ])('%s is said in words', (_, value, text) => {
    expect(scopeText(value)).toBe(text)
  })
})

describe('receipts', () => {
  const receipt: ReceiptView = {
    lease: 'lease_1',
    provider: 'acme',
    server: 'github',
    scope,
    cut: true,
    outcome: 'revoked',
    verified: true,
    lived: 1234,
  }

  it.each([
    [{ ...receipt }, 'revoked, verified'],
    [{ ...receipt, verified: false }, 'revoked; not verified'],
    [{ ...receipt, outcome: 'accepted' as const, verified: false }, 'could not be confirmed'],
    [
      { ...receipt, outcome: 'pending' as const, verified: false, validUntil: 1, detail: '503' },
      'no answer yet, tried again; may be valid until',
    ],
    [{ ...receipt, outcome: 'expires' as const, verified: false, validUntil: 1 }, 'cannot be revoked there; valid until'],
    [
      { ...receipt, outcome: 'kept' as const, verified: false, detail: 'the key lives on' },
      'nothing can be revoked there (the key lives on)',
    ],
    [{ ...receipt, outcome: 'irrevocable' as const, verified: false, validUntil: 1 }, 'never confirmed; may be valid until'],
  ])('tell the truth about each outcome', (value, words) => {
    expect(receiptTable([value])).toContain(words)
    expect(receiptTable([value])).toContain('lease_1')
  })

  it('are summed up without making it sound better than it is', () => {
    expect(receiptSummary([])).toBe('nothing was live')
    expect(receiptSummary([receipt])).toBe('1 credential cut here; 1 dead upstream')
    const open: ReceiptView = { ...receipt, outcome: 'pending', verified: false, validUntil: 1 }
    expect(receiptSummary([receipt, open])).toMatch(/^2 credentials cut here; 1 dead upstream, 1 may be accepted there until \d\d:/)
    expect(receiptSummary([open])).toContain('none dead upstream')
    const kept: ReceiptView = { ...receipt, outcome: 'kept', verified: false }
    expect(receiptSummary([receipt, kept])).toBe(
      '2 credentials cut here; 1 dead upstream, 1 of a key that stays valid there until it is rotated',
    )
  })
})

describe('an approval', () => {
  const approval: Approval = {
    id: 'approval_7k2m9x0q4r8s1t5v',
    call: 'call_1',
    server: 'github',
    tool: 'create_issue',
    resource: 'acme/web',
    args: { owner: 'acme', title: 'x'.repeat(1000), body: '\u001b[8mhidden' },
    digest: 'd',
    human: 'ada(1000)',
    agent: 'claude',
    session: 'session_1',
    scope,
    requests: ['POST https://api.github.com/repos/acme/web/issues'],
    askedAt: 1000,
    expiresAt: 121_000,
  }

  it('shows what would happen, one argument a line, and says what it cuts', () => {
    const text = approvalCard(approval, 11_000)
    for (const part of [
      'create_issue',
      'owner = "acme"',
      'issues: read on acme/web',
      'POST https://api.github.com',
      'denied by itself in 2 min',
      '602 more characters',
    ])
      expect(text).toContain(part)
    expect(text).not.toContain('\u001b[8m')
  })

  it('is found by its id, or by the first letters where only one has them', () => {
    const other = { ...approval, id: 'approval_7k2zzzzzzzzzzzzz' }
    expect(pick([approval, other], approval.id)).toBe(approval)
    expect(pick([approval, other], '7k2m')).toBe(approval)
    expect(pick([approval, other], 'approval_7k2m9')).toBe(approval)
    expect(() => pick([approval, other], '7k2')).toThrow('no call waits')
    expect(() => pick([approval, { ...approval, id: 'approval_7k2m9zzzzzzzzzzz' }], '7k2m9')).toThrow('beginning of 2 ids')
    expect(() => pick([], 'approval_x')).toThrow('no call waits under "approval_x"')
  })
})

describe('jit explain', () => {
  const view: ExplainView = {
    effect: 'allow',
    held: '',
    rule: { source: 'config', path: 'servers.github.allow[0]' },
    reason: '',
    resource: 'acme/web#42',
    used: { owner: 'acme' },
    grant: {
      credential: 'lease',
      provider: 'acme',
      scope,
      requests: ['GET https://api.github.com/repos/acme/web/issues/42'],
      ttl: 300_000,
      lifetime: 'call',
      partition: 'acme/web',
    },
  }

  it('shows decision, rule, scope, requests and life', () => {
    expect(explanation(view)).toBe(
      [
        'decision    ✓ allow',
        'rule        servers.github.allow[0] (config)',
        'touches     acme/web#42',
        'looked at   owner = "acme"',
        'credential  from acme',
        'scope       issues: read on acme/web',
        'requests    GET https://api.github.com/repos/acme/web/issues/42',
        'lives       for this call, at most 5 min',
        'lane        acme/web',
      ].join('\n'),
    )
  })

  it('shows what the upstream is asked for where the scope does not say it, in the form in which people read policies', () => {
    const asks = { sessionPolicy: { Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::logs/a\u009bb' }] } }
    const { grant } = view
    if (grant === undefined) throw new TypeError('the view has a grant')
    const text = explanation({
      ...view,
      grant: { ...grant, scope: { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::logs/a'] }, asks },
    })
    expect(text).toContain('scope       actions: s3:GetObject; resources: arn:aws:s3:::logs/a\n')
    expect(text).toContain('asks for    sessionPolicy:\n            {\n              "Statement": [\n                {\n')
    expect(text).toContain('"arn:aws:s3:::logs/a\\u009bb"')
  })

  it.each([
    [
      'policies by name',
      { policies: ['mcp-read-web'], uses: 4 },
      { token: { policies: ['mcp-read-web'], num_uses: 4 } },
      ['scope       policies: mcp-read-web; uses: 4', 'asks for    token (policies: mcp-read-web; num_uses: 4)', 'requests'],
    ],
    [
      'a form',
      { scopes: ['a', 'b'] },
      { grant_type: 'client_credentials', scope: 'a b', resource: ['https://x.test/', 'https://y.test/'] },
      [
        'asks for    grant_type: client_credentials',
        '            scope: a b',
        '            resource: https://x.test/, https://y.test/',
        'requests',
      ],
    ],
    [
      'details',
      { authorization_details: [{ type: 'repository', actions: ['read, "all"'], issue: '42' }] },
      { authorization_details: [{ type: 'repository', actions: ['read, "all"'], issue: '42' }] },
      [
        'scope       authorization_details:',
        '            [',
        '              {',
        '                "type": "repository",',
        '                "actions": ["read, \\"all\\""],',
        '                "issue": "42"',
        '              }',
        '            ]',
        'asks for    authorization_details:',
      ],
    ],
    ['nothing', { about: 'x' }, { nothing: 'the whole key is used' }, ['asks for    nothing: the whole key is used', 'requests']],
  ])('says once that it asks for %s, in lines that people read', (_, asked, asks, lines) => {
    const { grant } = view
    if (grant === undefined) throw new TypeError('the view has a grant')
    const text = explanation({ ...view, grant: { ...grant, scope: asked, asks } })
    expect(text).toContain(lines.join('\n'))
    expect(text.match(/^asks for/gm)).toHaveLength(1)
  })

  it.each([
    ['locked', 'now         denied: jit is locked, and every call is, until `jit unlock`\ndecision    ✓ allow'],
    ['sealed', 'now         fails: the secret store is sealed, and nothing is minted, until `jit unseal`\ndecision    ✓ allow'],
  ] as const)('says first that jit is %s, since the call would not get what policy gives it', (held, lines) => {
    expect(explanation({ ...view, held })).toContain(lines)
  })

  it('shows why a call is denied', () => {
    const text = explanation({ ...view, effect: 'deny', reason: 'repo is "secret"', resource: '', grant: undefined })
    expect(text).toContain('✗ deny\nbecause    repo is "secret"')
    expect(text).not.toContain('credential')
  })

  it('says what would let a tool through that no rule names, and nothing where a rule says no', () => {
    const denied = { ...view, effect: 'deny', reason: 'no', resource: '', grant: undefined } as const
    expect(explanation({ ...denied, rule: { source: 'default', path: 'servers.github' } })).toContain(
      'to change  list it under `allow` or `ask` of the server in the config file, then run `jit config apply`',
    )
    expect(explanation({ ...denied, rule: { source: 'config', path: 'servers.github.deny[0]' } })).not.toContain('to change')
    expect(explanation({ ...denied, rule: { source: 'default', path: 'policy' } })).not.toContain('to change')
    const own = explanation({ ...denied, rule: { source: 'default', path: 'servers.jit' } })
    expect(own).toContain('to change  `self` in the config file says which of its own tools jit offers')
    expect(own).not.toContain('`allow`')
  })

  it('says when no request rule binds what the server does', () => {
    const { grant } = view
    if (grant === undefined) throw new TypeError('the view has a grant')
    expect(explanation({ ...view, grant: { ...grant, requests: [], handedOver: true } })).toContain('the server itself holds it')
    const sent = { header: 'X-Api-Key', origin: 'https://mcp.acme.dev' }
    expect(explanation({ ...view, grant: { ...grant, requests: [], sent } })).toContain(
      'the call itself, to https://mcp.acme.dev, with the credential in X-Api-Key',
    )
  })

  it('says when nothing goes upstream', () => {
    expect(
      explanation({
        ...view,
        grant: { credential: 'lease', provider: 'acme', scope, requests: [], ttl: 1, lifetime: 'ttl', partition: '' },
      }),
    ).toContain('none: nothing goes upstream')
    expect(
      explanation({
        ...view,
        grant: { credential: 'none', provider: '', scope: {}, requests: [], ttl: 0, lifetime: 'call', partition: '' },
      }),
    ).toContain('gets no credential')
  })
})

describe('jit status', () => {
  const status: StatusView = {
    version: '0.1.0',
    pid: 7,
    startedAt: 0,
    node: 'v24.0.0',
    home: { config: '/c/jit.yaml', state: '/s', runtime: '/s/run', log: '/s/jit.log' },
    locked: false,
    store: { state: 'open', key: 'file', note: 'the key is a file' },
    config: { file: '/c/jit.yaml', digest: 'd', appliedAt: 0, pending: false, problems: 0 },
    audit: { records: 3, writable: true, head: 'h' },
    leases: { live: 1, minting: 0, outstanding: 0, lost: 0 },
    approvals: 0,
    http: '',
    sessions: [],
    servers: [],
    warnings: [],
  }

  it('is a few lines where all is well', () => {
    expect(statusScreen(status, 60_000)).toBe(
      [
        'daemon  ● 0.1.0 on Node 24.0.0, pid 7, up 60 s',
        'config  /c/jit.yaml, in force for 60 s',
        'store   open; the key is a file',
        'trail   3 records',
        'leases  1 live credential',
        'log     /s/jit.log',
      ].join('\n'),
    )
  })

  it('begins with what needs attention, and names idle servers and last errors', () => {
    const lane = { lane: 'lane_1', pid: 9, partition: 'acme/web', inFlight: 1, startedAt: 0 }
    const sandbox: SandboxView = { used: true, kind: 'bubblewrap', network: 'broker', reason: 'fine', advice: '' }
    const none: SandboxView = { used: false, kind: 'none', network: 'machine', reason: 'bubblewrap is missing', advice: 'Install it.' }
    const text = statusScreen(
      {
        ...status,
        warnings: ['locked: every call is denied until `jit unlock`'],
        approvals: 2,
        leases: { live: 0, minting: 1, outstanding: 2, lost: 3 },
        sessions: [{ session: 'session_1', agent: 'claude', pid: 5, human: 'ada(1000)', connections: 2 }],
        servers: [
          { name: 'github', lanes: [lane], pin: '', lastError: '', sandbox },
          { name: 'files', lanes: [], pin: '', lastError: 'it ended with code 3\u001b[2J', sandbox: none },
        ],
      },
      60_000,
    )
    expect(text.split('\n')[0]).toBe('! locked: every call is denied until `jit unlock`')
    for (const part of [
      '2 calls waiting: jit approvals',
      '1 being minted',
      '2 still to be revoked',
      '3 of unknown fate',
      'claude',
      'pid 9',
      'acme/web',
      'idle',
      '✗ files: it ended with code 3\\u001b[2J',
      '! files: no sandbox: bubblewrap is missing; it can read your files and use the network by itself. Install it.',
    ])
      expect(text).toContain(part)
  })
})

describe('jit doctor', () => {
  it('marks each finding and sums up', () => {
    const ok = { name: 'folders', state: 'ok' as const, found: 'fine', advice: '' }
    const weak = { name: 'store key', state: 'warn' as const, found: 'a file', advice: 'Use a passphrase.' }
    expect(report([ok])).toContain('✓  fine\n\nnothing found')
    expect(report([ok, weak])).toContain('!  a file. Use a passphrase.\n\nnothing broken, 1 weak point')
    expect(report([weak, { ...ok, state: 'fail' }])).toContain('1 broken')
  })
})

describe('a proposal', () => {
  it('is shown with the name of its agent in quotes, which is its own choice', () => {
    const by = { session: 's', agent: 'claude", approved by jit', human: 'ada', at: 0 }
    const text = proposalCard({ id: 'proposal_1', state: 'waiting', ...by, server: 's', reason: 'x', change: { ttl: '2m' } }, 1000)
    expect(text).toContain(String.raw`"claude\", approved by jit", for ada`)
  })

  const view = (change: Change): ProposalEffectView => ({
    proposal: {
      id: 'proposal_1',
      state: 'waiting',
      session: 's',
      agent: 'claude',
      human: 'ada',
      at: 0,
      server: 'notes',
      reason: 'x',
      change: { argument: 'folder', admit: ['home'] },
    },
    effect: { applied: false, digest: '', changes: [change], problems: [] },
  })

  it('that binds an argument which was free says what it shuts off: to be told "narrower" is not enough', () => {
    const bound: Change = { path: 'servers.notes.where.folder', before: '', after: 'home', effect: 'narrower' }
    expect(bindsAll(view(bound))).toBe(
      'Nothing bound "folder" before: every call of notes that has another "folder", or none, will be denied.',
    )
  })

  it.each<[string, Change]>([
    ['adds a value to others', { path: 'servers.notes.where.folder', before: '', after: 'home', effect: 'wider' }],
    ['takes a value out', { path: 'servers.notes.where.folder', before: 'work', after: '', effect: 'narrower' }],
    ['binds another argument', { path: 'servers.notes.where.file', before: '', after: 'a', effect: 'narrower' }],
  ])('that %s shuts nothing else off', (_, change) => {
    expect(bindsAll(view(change))).toBe('')
  })
})

describe('the question for a yes', () => {
  it('names what gets wider in few words, however long the table above it is', () => {
    const values = Array.from({ length: 20 }, (_, index) => ({
      path: 'servers.github.where.repo',
      before: '',
      after: `${index}${'x'.repeat(190)}`,
      effect: 'wider' as const,
    }))
    const tool = { path: 'servers.github.allow', before: 'drop: unlisted', after: 'drop: allow', effect: 'wider' as const }
    expect(inShort([tool, ...values])).toBe('servers.github.allow (drop: allow), servers.github.where.repo (20 changes)')
    expect(inShort(values.slice(0, 1))).toBe('servers.github.where.repo (1 change)')
  })
})
