import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refuseWritableCode } from '../../../src/sandbox/own-code.ts'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'jit-code-')))
const at = (path: string): string => join(folder, path)

beforeAll(() => {
  for (const path of ['work/bin', 'app/bin', 'app/data', 'venv/bin', 'home/notes']) mkdirSync(at(path), { recursive: true })
  for (const path of ['work/main.mjs', 'work/hook.mjs', 'work/memory.json', 'app/main.mjs', 'app/hook.mjs']) writeFileSync(at(path), '')
  for (const path of ['work/bin/tool', 'app/bin/tool', 'work/bin/python']) writeFileSync(at(path), '#!/bin/sh\n')
  writeFileSync(at('app/bin/script'), `#!${at('work/bin/python')} -I\n`)
  writeFileSync(at('app/bin/found'), '#!/usr/bin/env python\n')
  for (const path of ['work/bin/tool', 'app/bin/tool', 'work/bin/python', 'app/bin/script', 'app/bin/found']) chmodSync(at(path), 0o755)
  symlinkSync(at('work/bin/tool'), at('app/bin/link'))
  symlinkSync(at('app/bin/tool'), at('work/bin/link'))
  symlinkSync(at('work'), at('alias'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Case {
  readonly command: string
  readonly args?: readonly string[]
  readonly cwd?: string
  readonly folder?: string
}

function check(
  { command, args = [], cwd = folder, folder: installed }: Case,
  own: readonly string[],
  others: readonly string[] = [],
): void {
  const program = { command, args, cwd, ...(installed === undefined ? {} : { folder: installed }) }
  const writing = [
    { server: 'other', given: others },
    { server: 'own', given: own },
  ]
  refuseWritableCode('own', program, `${at('work/bin')}:/usr/bin`, writing, { folder, home: at('home') })
}

describe('a server that could change what it is started from', () => {
  const cases: [string, Case][] = [
    ['its program', { command: at('work/bin/tool') }],
    ['a link to its program', { command: at('work/bin/link') }],
    ['what a link to its program leads to', { command: at('app/bin/link') }],
    ['its program under another name of the folder', { command: at('alias/bin/tool') }],
    ['its script', { command: process.execPath, args: [at('work/main.mjs')] }],
    ['its script, as it counts from the working folder', { command: '/usr/bin/python3', args: ['main.mjs'], cwd: at('work') }],
    ['its script, behind a hook', { command: '/usr/bin/node', args: ['--import', at('app/hook.mjs'), at('work/main.mjs')] }],
    ['a hook', { command: '/usr/bin/node', args: [`--import=${at('work/hook.mjs')}`, at('app/main.mjs')] }],
    ['a hook in an argument of its own', { command: '/usr/bin/node', args: ['-r', at('work/hook.mjs'), at('app/main.mjs')] }],
    ['the interpreter of its first line', { command: at('app/bin/script') }],
    ['the interpreter that its PATH finds', { command: at('app/bin/found') }],
    ['its installed package', { command: process.execPath, args: [], folder: at('work') }],
  ]

  it.each(cases)('%s: is not started', (_, program) => {
    expect(() => check(program, ['work'])).toThrow(/what server "own" runs, .* stands where it may write: "work"/)
    expect(() => check(program, [at('work')])).toThrow(/stands where it may write/)
  })

  it.each(cases)('%s: nor where another server writes, whatever sandbox it has itself', (_, program) => {
    expect(() => check(program, [], ['work'])).toThrow(/stands where server "other" may write: "work"/)
  })

  it.each<[string, Case]>([
    ['a program beside what it writes to', { command: at('app/bin/tool') }],
    ['a file that its script works on', { command: process.execPath, args: [at('app/main.mjs'), at('work/memory.json')] }],
    ['a folder that its program works on', { command: at('app/bin/tool'), args: [at('work')] }],
    ['its working folder', { command: at('app/bin/tool'), cwd: at('work') }],
    ['a program that is not there', { command: at('nowhere/tool') }],
    ['a program that is no interpreter, with a file', { command: at('app/bin/tool'), args: [at('work/main.mjs')] }],
  ])('%s: is no such thing', (_, program) => expect(() => check(program, ['work', '~/notes', at('app/data')])).not.toThrow())

  it('~ is the account’s home, in which a folder may be given', () => {
    writeFileSync(at('home/notes/tool'), '')
    expect(() => check({ command: at('home/notes/tool') }, ['~/notes'])).toThrow(/"~\/notes"/)
  })
})
