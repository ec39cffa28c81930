import { describe, expect, it } from 'vitest'
import { doubts, offer } from '../../../src/cli/server-tools.ts'

const tool = (name: string, readOnly = true) => ({ name, description: `${name} it. And more`, readOnly })

describe('tools that were chosen', () => {
  it('are in no doubt when the server lists them all', () => {
    expect(doubts('notes', ['read', 'list'], { tools: [tool('list'), tool('read'), tool('write')] })).toEqual([])
  })

  it('are named when the server lists none of that name, with those that there are', () => {
    expect(doubts('notes', ['raed_text', 'list'], { tools: [tool('list'), tool('read_text')] })).toEqual([
      'notes has no tool "raed_text", so nothing can be called by that name. Did you mean read_text? It has list, read_text. To correct it, give the command again with --replace.',
    ])
  })

  it('are compared with a list of any length, of which not more is shown than is read', () => {
    const tools = Array.from({ length: 30 }, (_, index) => tool(`tool_${index}`))
    const [text = ''] = doubts('notes', ['x'], { tools })
    expect(text).toContain('tool_11 and 18 more.')
    expect(text).not.toContain('tool_12')
    expect(doubts('notes', ['x'], { tools: [] })[0]).toContain('It lists no tools.')
  })

  it('are in doubt when the server could not be asked, whose words are no orders to the terminal', () => {
    expect(doubts('notes', ['read'], { failure: 'it ended\u001b[2K' })).toEqual([
      'the tools of notes could not be listed: it ended\\u001b[2K',
    ])
  })
})

describe('a server of which nothing is allowed yet', () => {
  it('has its tools shown, and two that only read proposed', () => {
    const text = offer({ tools: [tool('write', false), tool('read'), tool('list')] })
    expect(text).toContain('It has 3 tools')
    expect(text).toContain('write  may write  write it.\n')
    expect(text).toContain('--allow read,list')
    expect(offer({ tools: [tool('delete_all', false)] })).toContain('--allow TOOL,TOOL')
  })

  it('is said to list none, or why that is not known', () => {
    expect(offer({ tools: [] })).toContain('It lists no tools.')
    expect(offer({ failure: 'it ended' })).toContain('could not be listed: it ended')
  })
})
