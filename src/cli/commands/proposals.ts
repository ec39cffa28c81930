import type { Command } from 'commander'
import { z } from 'zod'
import { applyView, type ProposalEffectView, proposalEffectView, type ProposalView, proposalView, routes } from '../../api/schema.ts'
import { JitError, quote } from '../../core/errors.ts'
import { changeTable, confirmWider } from '../changes.ts'
import type { Client } from '../client.ts'
import { action, command } from '../context.ts'
import { problemText } from '../output/failure.ts'
import { card, table } from '../output/layout.ts'
import { colours, errorColours, print, printFolded, printJson } from '../output/terminal.ts'
import { count, plain } from '../output/text.ts'
import { since } from '../output/time.ts'
import { bindsAll, proposalCard, wishes } from '../proposal-card.ts'

/** Shorter, and the id could be of a proposal that came in between. */
const shortestPrefix = 4

export function proposalsCommand(): Command {
  return command(
    'proposals',
    'list the rules that agents would like; show, accept or reject one',
    'jit proposals',
    'jit proposals show 7k2m',
  )
    .option('--all', 'those that were decided too')
    .action(
      action(async ({ client, json, options }) => {
        const found = (await list(client)).filter(({ state }) => options.flag('all') || state === 'waiting')
        if (json) return printJson(found)
        if (found.length === 0) return print('No proposal waits for you.')
        print(overview(found))
        print(`\n${colours.dim('look at one with')} jit proposals show ID`)
      }),
    )
    .addCommand(showCommand())
    .addCommand(acceptCommand())
    .addCommand(rejectCommand())
}

function showCommand(): Command {
  return command('show', 'one proposal, and what accepting it would change', 'jit proposals show 7k2m')
    .argument('<id>', 'id from `jit proposals`, or its first letters')
    .action(
      action(async ({ client, json, args: [id = ''] }) => {
        const view = await open(client, id)
        if (json) return printJson(view)
        show(view)
        if (view.effect.changes.length === 0) return
        print(
          `\n${colours.dim('answer with')} jit proposals accept ${shortId(view)} ${colours.dim('or')} jit proposals reject ${shortId(view)}`,
        )
      }),
    )
}

function acceptCommand(): Command {
  return command('accept', 'let a proposal take effect; shows what gets wider, and asks', 'jit proposals accept 7k2m')
    .argument('<id>', 'id from `jit proposals`, or its first letters')
    .option('--yes', 'do not ask')
    .action(
      action(async ({ client, json, args: [id = ''], options }) => {
        const view = await open(client, id)
        const { proposal, effect } = view
        if (!json) show(view)
        if (effect.problems.length > 0) return refuse(view, json)
        if (proposal.state !== 'waiting')
          throw new JitError('conflict', `this proposal ${proposal.state === 'expired' ? 'has expired' : `was ${proposal.state} before`}`, {
            hint: '`jit proposals` lists what waits.',
          })
        if (!json) print()
        if (!options.flag('yes')) await confirmWider(effect, 'Accept?')
        // The digest binds the answer to the config that was shown.
        const body = { digest: effect.digest }
        const done = applyView.parse(await client.call(routes.acceptProposal, { parameters: { id: proposal.id }, body }))
        if (json) return printJson(done)
        if (done.problems.length > 0) return refuse({ proposal, effect: done }, json)
        print(`${colours.green('✓')} accepted, ${count(done.changes.length, 'change')} in force`)
      }),
    )
}

function rejectCommand(): Command {
  return command('reject', 'say no to a proposal', 'jit proposals reject 7k2m')
    .argument('<id>', 'id from `jit proposals`, or its first letters')
    .action(
      action(async ({ client, json, args: [id = ''] }) => {
        const { id: full } = pick(await list(client), id)
        const done = proposalView.parse(await client.call(routes.rejectProposal, { parameters: { id: full }, body: {} }))
        if (json) printJson(done)
        else print(`${colours.yellow('✗')} rejected; nothing changed`)
      }),
    )
}

async function list(client: Client): Promise<ProposalView[]> {
  return z.array(proposalView).parse(await client.call(routes.proposals))
}

async function open(client: Client, id: string): Promise<ProposalEffectView> {
  const { id: full } = pick(await list(client), id)
  return proposalEffectView.parse(await client.call(routes.proposal, { parameters: { id: full } }))
}

function overview(found: readonly ProposalView[]): string {
  return table(
    ['id', 'server', 'age', 'state', 'wants'],
    found.map((view) => [view.id, view.server, since(view.at), view.state, wishes(view.change).join('; ')]),
  )
}

function show({ proposal, effect }: ProposalEffectView): void {
  print(proposalCard(proposal))
  const warning = bindsAll({ proposal, effect })
  if (warning !== '') print(`\n${card([['!', warning]])}`)
  if (effect.changes.length > 0) print(`\n${changeTable(effect)}`)
  else if (effect.problems.length === 0 && proposal.state === 'waiting') print('\nIt would change nothing: the config says so already.')
  else if (effect.problems.length > 0)
    printFolded(`\n${colours.red('It cannot be accepted:')}\n${effect.problems.map((problem) => plain(problemText(problem))).join('\n')}`)
}

/** The problems were shown with the proposal. */
function refuse(view: ProposalEffectView, json: boolean): void {
  process.exitCode = new JitError('config.invalid', '').exitCode
  if (json) printJson(view.effect)
  else process.stderr.write(`${errorColours.yellow('hint:')}  Nothing changed; the config in force goes on.\n`)
}

function shortId({ proposal }: ProposalEffectView): string {
  return proposal.id.replace(/^proposal_/, '').slice(0, shortestPrefix)
}

/** The one that is meant; never a guess among several. */
function pick(found: readonly ProposalView[], id: string): ProposalView {
  const bare = id.replace(/^proposal_/, '')
  const near = bare.length < shortestPrefix ? [] : found.filter((one) => one.id.replace(/^proposal_/, '').startsWith(bare))
  const [only, ...others] = near
  if (others.length > 0)
    throw new JitError('usage', `${quote(id)} is the beginning of ${near.length} ids`, {
      hint: 'Give more of it: `jit proposals` lists them.',
    })
  if (only === undefined)
    throw new JitError('not-found', `there is no proposal ${quote(id)}`, { hint: '`jit proposals --all` lists them.' })
  return only
}
