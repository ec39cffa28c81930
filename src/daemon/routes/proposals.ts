import { acceptProposal, type ApplyView, type ProposalEffectView, type ProposalView } from '../../api/schema.ts'
import type { ConfigEdit } from '../../config/edit.ts'
import { readYaml } from '../../config/yaml-source.ts'
import { JitError, quote, toJitError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { casesOf } from '../../selfservice/permissions.ts'
import type { Proposal } from '../../selfservice/proposals.ts'
import { proposedEntry } from '../../selfservice/proposed-entry.ts'
import type { Daemon } from '../types.ts'
import { attempt } from './config.ts'
import { byCommandLine, nameIn, type Routes } from './route.ts'

/** What people decide about the rules that agents would like. */
export function proposalRoutes(daemon: Daemon): Routes {
  const { proposals, configuration } = daemon
  return {
    proposals: () => proposals.all().map(viewOf),
    proposal: (request): ProposalEffectView => {
      const proposal = proposals.get(nameIn(request, 'id'))
      return { proposal: viewOf(proposal), effect: effectOf(daemon, proposal) }
    },
    /** As `jit config apply` does: config, proposal and what runs change together, or nothing does. */
    acceptProposal: (request) => {
      const { digest } = acceptProposal.parse(request.body)
      const proposal = proposals.get(nameIn(request, 'id'))
      const { record, write, done } = proposals.decide(proposal.id, 'accepted', byCommandLine)
      return attempt(() => {
        const changed = configuration.edit(editFor(daemon, proposal), byCommandLine, { digest, write, records: [record] })
        done()
        return changed
      }, true)
    },
    rejectProposal: (request) => {
      const { id } = proposals.get(nameIn(request, 'id'))
      const { record, write, done } = proposals.decide(id, 'rejected', byCommandLine)
      daemon.store.atomically(() => {
        write()
        daemon.audit.append(record)
      })
      done()
      return viewOf(proposals.get(id))
    },
  }
}

/** What accepting it would change; why it cannot be accepted is an answer too. Nothing for one that was decided. */
function effectOf(daemon: Daemon, proposal: Proposal): ApplyView {
  const nothing: ApplyView = { applied: false, digest: '', changes: [], problems: [] }
  if (proposal.state !== 'waiting') return nothing
  try {
    return attempt(() => daemon.configuration.previewEdit(editFor(daemon, proposal)), false)
  } catch (error) {
    const { message, hint } = toJitError(error)
    return { ...nothing, problems: [{ file: '', line: 1, column: 1, path: '', message: `${message}. ${hint}` }] }
  }
}

function viewOf({ id, state, session, agent, human, at, change }: Proposal): ProposalView {
  const { server, reason, ...rest } = change
  return { id, state, session, agent, human, at, server, reason, change: JSON.parse(JSON.stringify(rest)) }
}

/** Throws `not-found` when the server is gone by now, `conflict` when the proposal does not fit its entry. */
function editFor({ configuration, presets }: Daemon, { change }: Proposal): ConfigEdit {
  const { text, config } = configuration.current.loaded
  const { servers } = config
  const server = Object.hasOwn(servers, change.server) ? servers[change.server] : undefined
  const entry = entryIn(text, change.server)
  if (server === undefined || entry === undefined) throw new JitError('not-found', `there is no server ${quote(change.server)} any more`)
  const wanted = proposedEntry(entry, change, { server, rows: (tool) => casesOf(tool, server, presets) })
  return { set: 'servers', name: change.server, entry: wanted, keep: true }
}

/** The entry as it stands in the file, before defaults. */
function entryIn(text: string, server: string): JsonObject | undefined {
  const { value } = readYaml('jit.yaml', text)
  const servers = isJsonObject(value) ? value['servers'] : undefined
  const entry = isJsonObject(servers) && Object.hasOwn(servers, server) ? servers[server] : undefined
  return isJsonObject(entry) ? entry : undefined
}
