import { describe, expect, it } from 'vitest'
import { clean, programName, startsOthers } from '../../../src/identity/program.ts'

const node = '/usr/bin/node'

describe('a program', () => {
  it.each<[string, string, string, string[], boolean]>([
    // name, title, executable, arguments, starts others
    ['claude', 'claude', node, ['claude'], false],
    ['claude-code', 'node', node, ['node', '/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js'], false],
    ['codex', 'node', node, ['node', '--no-warnings', '/opt/codex/dist/index.mjs', 'mcp'], false],
    ['agent.ts', 'MainThread', node, ['node', 'agent.ts'], false],
    ['node', 'MainThread', node, ['node'], false],
    ['index.js', 'node', node, ['node', 'index.js'], false],
    ['cursor', 'cursor', '/opt/cursor/cursor', ['/opt/cursor/cursor', '--type=utility'], false],
    ['agent', 'python3', '/usr/bin/python3.12', ['python3', '-u', '/srv/agent/__main__.py'], false],
    ['my agent', 'my agent', '/opt/my agent', ['my agent'], false],
    ['npm', 'npm exec jit co', node, ['npm exec jit connect github'], true],
    ['npx-cli.js', 'node', node, ['node', '/usr/lib/node_modules/npm/bin/npx-cli.js', 'jit'], true],
    ['npm-cli.js', 'node', node, ['node', '/usr/lib/node_modules/npm/bin/npm-cli.js', 'exec'], true],
    ['uv', 'uv', '/home/ada/.local/bin/uv', ['uv', 'run', 'agent'], true],
    ['env', 'env', '/usr/bin/env', ['env', 'A=1', 'jit'], true],
    ['dash', 'sh', '/usr/bin/dash', ['sh', '-c', 'jit connect github'], true],
    ['bash', 'bash', '/usr/bin/bash', ['/bin/bash', '-lc', 'jit connect github'], true],
    ['bash', 'start.sh', '/usr/bin/bash', ['bash', '/home/ada/start.sh'], true],
    ['bash', 'bash', '/usr/bin/bash', ['-bash'], false],
    ['zsh', 'zsh', '/usr/bin/zsh', ['zsh', '-i', '-l'], false],
  ])('is %s by %j %j %j', (name, title, executable, args, launcher) => {
    expect(programName({ title, executable, args })).toBe(name)
    expect(startsOthers({ title, executable, args })).toBe(launcher)
  })

  it('of another account has the name that the kernel shows', () => {
    expect(programName({ title: 'sshd', executable: '', args: [''] })).toBe('sshd')
  })

  it.each([
    ['a\u001b[2Jb', 'a?[2Jb'],
    ['a\nb\u202ec\u200bd', 'a?b?c?d'],
    ['', 'unknown'],
    ['агент 7', 'агент 7'],
    ['x'.repeat(500), 'x'.repeat(100)],
  ])('called %j is shown as %j', (name, shown) => {
    expect(clean(name)).toBe(shown)
  })
})
