import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { findNode, fits, programFile } from '../../../src/shim/launch.js'
import { readPs } from '../../../src/shim/link.js'

describe('the launcher', () => {
  it.each([
    ['v18.0.0', false],
    ['v20.20.2', false],
    ['v22.20.9', false],
    ['v22.21.0', true],
    ['v22.100.0', true],
    ['v23.0.0', true],
    ['v24.21.0', true],
    ['', false],
    ['not a version', false],
  ])('takes Node %s: %s', (version, fit) => {
    expect(fits(version)).toBe(fit)
  })

  it('stays with the Node it runs on where that fits', () => {
    expect(findNode()).toBe(process.execPath)
  })

  it.each(['cli/main', 'daemon/main', 'audit/verify-main'])('finds the program %s', (name) => {
    expect(existsSync(programFile(name))).toBe(true)
  })

  it('says that an installation is incomplete rather than start nothing', () => {
    expect(() => programFile('no/such')).toThrow('incomplete')
  })
})

describe('what ps says of a parent', () => {
  it.each([
    ['macOS', 'Fri Nov 21 05:40:01 2026     /Applications/Claude.app/Contents/MacOS/Claude\n', 'Claude'],
    ['a name with spaces', 'Sat Nov  1 05:40:01 2026 /usr/local/bin/my agent', 'my agent'],
  ])('is read on %s', (_, text, name) => {
    const found = readPs(7, text)
    expect(found).toMatchObject({ pid: 7, name })
    expect(found.startTime).toBeGreaterThan(1_790_000_000)
  })

  it('is nothing when the parent is gone', () => {
    expect(readPs(7, '')).toEqual({ pid: 7, name: 'unknown', startTime: 0 })
  })
})
