import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { providers } from '../../../providers/index.ts'
import { createProgram } from '../../../src/cli/program.ts'
import { flagOf } from '../../../src/cli/login-fields.ts'
import { root } from '../../support/command.ts'

const pages = [
  'README.md',
  'providers/github-app/README.md',
  ...['docs', 'docs/guides'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
]
const program = createProgram()
const login = new Set(providers.flatMap((plugin) => plugin.login.map(flagOf)))

describe('a page for people', () => {
  const found = pages.map((page) => [page, commandsOf(readFileSync(join(root, page), 'utf8'))] as const)

  it('is one of several that hold commands', () => {
    expect(found.flatMap(([, commands]) => commands).length).toBeGreaterThan(30)
  })

  it.each(found)('%s names commands and options that there are', (_, commands) => {
    expect(commands.flatMap(problemsOf)).toEqual([])
  })
})

/** `jit …` in a block of shell, with its continuation lines, or between backticks. */
function commandsOf(page: string): string[] {
  const blocks = [...page.matchAll(/^ *```sh\n(.*?)^ *```/gms)].flatMap(([, text = '']) => text.replaceAll(/\\\n\s*/g, ' ').split('\n'))
  const inline = [...page.replaceAll(/^ *```.*?^ *```/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text)
  return [...blocks, ...inline]
    .map((line) => / -- (jit connect .*)/.exec(line)?.[1] ?? line)
    .map((line) => /^\s*(?:npx )?jit (.*)$/.exec(line)?.[1] ?? '')
    .filter((words) => words !== '' && words !== '<command>')
}

function problemsOf(line: string): string[] {
  const words = (line.split(' -- ')[0] ?? '').replace(/#.*/, '').trim().split(/\s+/)
  const [name = '', second = ''] = words
  const first = program.commands.find((each) => each.name() === name)
  if (first === undefined) return name.startsWith('--') ? [] : [`there is no jit ${name}`]
  const used = first.commands.find((each) => each.name() === second) ?? first
  const known = new Set([...used.options.map((option) => option.long), '--help', ...(name === 'login' ? login : [])])
  return words.filter((word) => word.startsWith('--') && !known.has(word.split('=')[0] ?? '')).map((word) => `jit ${name} has no ${word}`)
}
