import { z } from 'zod'
import { type ListedTool, listedTool, routes } from '../api/schema.ts'
import { JitError } from '../core/errors.ts'
import { nearest } from '../core/nearest.ts'
import type { Client } from './client.ts'
import { table } from './output/layout.ts'
import { withProgress } from './output/progress.ts'
import { count, plain } from './output/text.ts'

const listDeadline = 30_000
const longestDescription = 120
/** Names that are given to somebody who looks for one. */
const mostNames = 12

/** What a server says that it has, or why it could not be asked. */
export type Listed = { readonly tools: readonly ListedTool[] } | { readonly failure: string }

export async function listTools(client: Client, name: string): Promise<Listed> {
  const work = client.call(routes.serverTools, { parameters: { name }, deadline: listDeadline })
  try {
    return { tools: z.array(listedTool).parse(await withProgress('asking which tools it has', work)) }
  } catch (error) {
    return { failure: error instanceof JitError ? `${error.message}. ${error.hint}` : String(error) }
  }
}

/** Nothing is allowed yet: what there is, for the person to choose from. */
export function offer(listed: Listed): string {
  const choose = 'To allow some, give the same command again with --replace and, say,'
  if ('failure' in listed) return `\nIts tools could not be listed: ${plain(listed.failure)}\n${choose} --allow TOOL,TOOL.`
  const { tools } = listed
  if (tools.length === 0) return `\nIt lists no tools.`
  // An example is copied: none names a tool that may change something.
  const readers = tools.filter(({ readOnly }) => readOnly).slice(0, 2)
  const some = readers.length === 0 ? 'TOOL,TOOL' : readers.map(({ name }) => name).join(',')
  const rows = tools.map(({ name: tool, description, readOnly }) => [tool, readOnly ? 'reads' : 'may write', firstSentence(description)])
  return `\nIt has ${count(tools.length, 'tool')}; what they do is its own word:\n\n${table(['tool', 'effect', 'description'], rows)}\n\n${choose}\n\n  --allow ${plain(some)}`
}

/** What is odd about tools that were chosen without a look at the list: a name that is not in it allows nothing, silently. */
export function doubts(server: string, chosen: readonly string[], listed: Listed): string[] {
  if ('failure' in listed) return [`the tools of ${plain(server)} could not be listed: ${plain(listed.failure)}`]
  const names = listed.tools.map(({ name }) => name)
  const missing = chosen.filter((tool) => !names.includes(tool))
  if (missing.length === 0) return []
  const shown = names.slice(0, mostNames).map(plain).join(', ')
  const others = names.length > mostNames ? ` and ${names.length - mostNames} more` : ''
  const meant = [...new Set(missing.flatMap((tool) => nearest(tool, names) ?? []))].map(plain)
  const unknown = missing.map((tool) => JSON.stringify(plain(tool))).join(', ')
  return [
    `${plain(server)} has no tool ${unknown}, so nothing can be called by that name.${meant.length === 0 ? '' : ` Did you mean ${meant.join(', ')}?`} ${shown === '' ? 'It lists no tools.' : `It has ${shown}${others}.`} To correct it, give the command again with --replace.`,
  ]
}

function firstSentence(text: string): string {
  const [first = ''] = text.trim().split(/(?<=[.!?])\s|\n/, 1)
  return first.length > longestDescription ? `${first.slice(0, longestDescription - 1)}…` : first
}
