import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { providers } from '../../../providers/index.ts'
import { flagOf, readLogin } from '../../../src/cli/login-fields.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { withoutLines } from '../../../src/cli/commands/add.ts'
import { failureText, problemText } from '../../../src/cli/output/failure.ts'
import { displayWidth } from '../../../src/cli/output/text.ts'
import { JitError, toJitError } from '../../../src/core/errors.ts'
import { plainKind } from './support.ts'

const promised =
  'login logout providers add update remove servers connect daemon stop status explain leases revoke seal unseal lock unlock token audit approvals approve deny proposals config doctor'.split(
    ' ',
  )

function all(parent: Command): Command[] {
  return parent.commands.flatMap((child) => [child, ...all(child)])
}

describe('the program', () => {
  const visible = all(createProgram()).filter((each) => each.name() !== 'help')

  it('has every command that was promised', () => {
    expect(
      createProgram()
        .commands.map((each) => each.name())
        .filter((name) => name !== 'help')
        .sort(),
    ).toEqual([...promised].sort())
    expect(visible.map((each) => each.name())).toEqual(expect.arrayContaining(['verify', 'trace', 'check', 'apply', 'path']))
  })

  it.each(visible.map((each) => [each.name(), each] as const))(
    'jit … %s has a summary, an example and, where it prints, --json',
    (_, each) => {
      let help = ''
      each.configureOutput({ writeOut: (text) => (help += text) })
      each.outputHelp()
      expect(each.description()).not.toBe('')
      expect(help).toMatch(/\nExamples?:\n {2}\$ jit /)
      if (each.commands.length === 0) expect(each.options.map((option) => option.long)).toContain('--json')
    },
  )

  it.each([['', createProgram()] as const, ...visible.map((each) => [each.name(), each] as const)])(
    'the help of jit %s fits a terminal of 80 columns',
    (_, each) => {
      let help = ''
      each.configureOutput({ writeOut: (text) => (help += text), getOutHelpWidth: () => 80 })
      each.outputHelp()
      expect(help.split('\n').filter((line) => displayWidth(line) > 80)).toEqual([])
    },
  )

  it.each(providers)('jit login $kind --help is the page of that kind, on 80 columns', async ({ kind, login, example }) => {
    let help = ''
    const program = createProgram()
    for (const each of all(program)) each.configureOutput({ writeOut: (text) => (help += text), getOutHelpWidth: () => 80 })
    await program.parseAsync(['login', kind, '--help'], { from: 'user' }).catch(() => undefined)
    expect(help).toMatch(new RegExp(`^Usage: jit login ${kind} `))
    for (const field of login) {
      const shown = field.argument === true ? field.name.toUpperCase() : `${flagOf(field)} (FILE|TEXT|NUMBER)`
      expect(help).toMatch(new RegExp(`^  ${shown}`, 'm'))
    }
    for (const other of providers) if (other.kind !== kind) expect(help).not.toContain(`login ${other.kind} `)
    expect(help.replaceAll(/ \\\n +/g, ' ')).toContain(`$ jit login ${kind} ${example ?? 'with an example'}`)
    expect(help.split('\n').filter((line) => displayWidth(line) > 80)).toEqual([])
  })

  it.each(providers)('the example of $kind holds all that is needed, and nothing that is not an option of it', (plugin) => {
    const words = (plugin.example ?? '').split(' ')
    const { values } = readLogin(plainKind(plugin), words)
    expect(plugin.login.filter((field) => field.required && !values.has(field.name))).toEqual([])
  })

  it.each([
    ['an unknown command', ['statsu'], /unknown command 'statsu'/, 'Did you mean status?'],
    ['an unknown option', ['revoke', '--al'], /unknown option '--al'/, 'Did you mean --all?'],
    [
      'a server’s command without "--"',
      ['add', 'notes', '--allow', 'read', 'npx', '-y', 'notes'],
      /unknown option '-y'/,
      'The command of the server stands behind "--": jit add NAME … -- npx -y PACKAGE',
    ],
    ['an option of jit add with an error in it', ['add', 'notes', '--alow', 'read', '--', 'npx'], /'--alow'/, 'Did you mean --allow?'],
    ['a command of a command', ['config', 'aply'], /unknown command 'aply'/, 'Did you mean apply?'],
    ['a missing argument', ['explain', 'github'], /missing required argument 'tool'/, '`jit explain --help` shows how it is used.'],
    ['an argument too many', ['leases', 'x'], /too many arguments/, '`jit leases --help` shows how it is used.'],
    ['an option without its value', ['audit', '--since'], /argument missing/, '`jit audit --help` shows how it is used.'],
    ['no command of a command', ['config'], /`jit config` needs a command/, 'There is check, apply, path.'],
    ['help on what is not there', ['help', 'x'], /there is no command "x"/, '`jit --help` lists them.'],
  ])('answers %s with what to do', async (_, words, message, hint) => {
    const error: unknown = await createProgram()
      .parseAsync(words, { from: 'user' })
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'usage', hint })
    expect(String(error)).toMatch(message)
    expect(String(error)).not.toContain('error:')
  })
})

describe('an error', () => {
  const problem = {
    file: 'jit.yaml',
    line: 3,
    column: 5,
    path: 'servers.github.alow',
    message: 'unknown key',
    suggestion: 'Did you mean "allow"?',
  }

  it('is one line of what, one of what to do', () => {
    expect(failureText(new JitError('locked', 'everything\u001b[2J is locked'))).toBe(
      'error: everything\\u001b[2J is locked\nhint:  Everything is denied until `jit unlock`.',
    )
  })

  it('names each problem of a config once', () => {
    const second = { ...problem, line: 9, message: 'another' }
    const text = failureText(new JitError('config.invalid', `jit.yaml:3:5: unknown key`, { details: { problems: [problem, second] } }))
    expect(text.split('\n').filter((line) => line.includes('unknown key'))).toHaveLength(1)
    expect(text).toContain('       jit.yaml:9:5: servers.github.alow: another. Did you mean "allow"?')
  })

  it('is broken at words where the terminal ends, and goes on below itself', () => {
    const text = failureText(new JitError('not-found', 'there is no server', { hint: 'a hint of more words than one line of it' }), 30)
    expect(text).toBe('error: there is no server\nhint:  a hint of more words\n       than one line of it')
  })

  it('of `jit add` names options, not lines of a file that was never written', () => {
    const own = { ...problem, path: 'servers.github.allow[0]' }
    const error = new JitError('config.invalid', 'jit.yaml:3:5: …', { details: { problems: [own, { ...own, message: 'another' }] } })
    const text = failureText(toJitError(withoutLines(error, 'github')))
    expect(text).not.toContain('jit.yaml')
    expect(text.split('\n')).toEqual([
      'error: servers.github.allow[0]: unknown key. Did you mean "allow"?',
      '       servers.github.allow[0]: another. Did you mean "allow"?',
      'hint:  Correct the command; nothing was changed.',
    ])
    // A line of what stands in the file already is one that a person can look at.
    expect(withoutLines(error, 'git')).toBe(error)
    // The file has no `run` yet that somebody could look at; a hint of its own stays.
    const start = toJitError(withoutLines(new JitError('server.start', 'there is no command "x"'), 'x'))
    expect(start).toMatchObject({ code: 'server.start', hint: 'Correct the command; nothing was changed.' })
    const hinted = new JitError('server.start', 'no', { hint: 'Write `npx -y PACKAGE …`.' })
    expect(withoutLines(hinted, 'x')).toBe(hinted)
  })

  it('in a config says where and what was meant', () => {
    expect(problemText(problem)).toBe('jit.yaml:3:5: servers.github.alow: unknown key. Did you mean "allow"?')
  })
})
