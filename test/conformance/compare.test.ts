import { describe, expect, it } from 'vitest'
import { compare } from './compare.ts'
import { type Cell, holds } from './run.ts'
import type { Status, SuiteResult } from './suites.ts'

describe('a run through jit held against one without', () => {
  it('loses what passed and fails now', () => {
    expect(lost({ ping: { answer: 'SUCCESS' } }, { ping: { answer: 'FAILURE' } })).toEqual(['ping: answer'])
  })

  it('loses a scenario that left no results', () => {
    expect(lost({ ping: { answer: 'SUCCESS' } }, {})).toEqual(['ping: answer'])
  })

  it('loses a scenario that fails in a check which the other run did not have', () => {
    expect(lost({ ping: { answer: 'SUCCESS' } }, { ping: { answer: 'SUCCESS', schema: 'FAILURE' } })).toEqual(['ping: schema'])
  })

  it('loses nothing that failed before', () => {
    expect(lost({ tasks: { create: 'FAILURE' } }, { tasks: { create: 'FAILURE' } })).toEqual([])
  })

  it('loses a check of a scenario that failed in another', () => {
    expect(lost({ tasks: { create: 'FAILURE', list: 'SUCCESS' } }, { tasks: { create: 'FAILURE', list: 'FAILURE' } })).toEqual([
      'tasks: list',
    ])
  })

  it.each<[string, Table]>([
    ['becomes a warning', { polling: { first: 'SUCCESS', retry: 'WARNING' } }],
    ['is gone', { polling: { first: 'SUCCESS' } }],
  ])('loses a check that %s, unless it may', (_, after) => {
    const before: Table = { polling: { first: 'SUCCESS', retry: 'SUCCESS' } }
    expect(lost(before, after)).toEqual(['polling: retry'])
    const comparison = compare(result(before), result(after), (check) => check === 'retry')
    expect(comparison.lost).toEqual([])
    expect(comparison.weaker.map(({ scenario }) => scenario)).toEqual(['polling'])
  })

  it('does not hold without results, when it could not be started, or when the suite itself is not satisfied', () => {
    const cell: Cell = { suite: 's', pairing: 'p', run: 1, result: result({}), problem: undefined, comparison: undefined }
    expect(holds(cell)).toBe(true)
    expect(holds({ ...cell, result: undefined })).toBe(false)
    expect(holds({ ...cell, problem: 'it did not start' })).toBe(false)
    expect(holds({ ...cell, result: { ...result({}), code: 1 } })).toBe(false)
  })
})

type Table = Readonly<Record<string, Readonly<Record<string, Status>>>>

function lost(before: Table, after: Table): string[] {
  return compare(result(before), result(after)).lost.map(({ scenario, check }) => `${scenario}: ${check ?? '-'}`)
}

function result(table: Table): SuiteResult {
  const scenarios = Object.entries(table).map(([scenario, checks]) => {
    const entries = Object.entries(checks).map(([name, status]): [string, { status: Status; message: string }] => [
      name,
      { status, message: '' },
    ])
    return [scenario, new Map(entries)] as const
  })
  return { scenarios: new Map(scenarios), code: 0, seconds: 0 }
}
