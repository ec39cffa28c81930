import { type Document, isCollection, isMap, isScalar, isSeq, type Node, parseDocument, visit } from 'yaml'
import { JitError, quote } from '../core/errors.ts'
import { type Json, type JsonObject, canonicalJson } from '../core/json.ts'
import { reconcileMap } from './reconcile.ts'
import type { Dialled } from '../core/local-address.ts'
import { instanceName } from './schema.ts'
import { readYaml } from './yaml-source.ts'

/** One change that a command makes to the config file. */
export type ConfigEdit =
  | {
      readonly set: 'providers' | 'servers'
      readonly name: string
      readonly entry: JsonObject
      /** Of an entry that is there already, what does not change stays as it is written, with its comments. */
      readonly keep?: true
      /** An entry of `network.hosts` that comes with it. */
      readonly dial?: Dialled
    }
  | { readonly remove: 'providers' | 'servers'; readonly name: string }

/** A short map such as `where: { owner: acme }` stays on its line. */
const inlineLength = 100

/**
 * The text with one entry set or removed; comments and everything else stay. An empty text becomes a new config.
 * Throws JitError `config.invalid` when the text is no config to begin with or aliases are in the way, `not-found` when there is nothing to remove.
 */
export function editConfig(text: string, change: ConfigEdit): string {
  const before = text.trim() === '' ? 'version: 1\n' : text
  const { value } = readYaml('jit.yaml', before)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new JitError('config.invalid', 'the config file is not a map')
  const document = parseDocument(before, { stringKeys: true })
  const section = 'set' in change ? change.set : change.remove
  const parent = document.get(section)
  if ('set' in change) {
    if (!instanceName.safeParse(change.name).success)
      throw new JitError('usage', `${quote(change.name)} cannot be a name: letters, digits, "-" and "_", at most 63`)
    if (!isMap(parent)) document.set(section, document.createNode({}))
    const holder = document.get(section)
    if (isMap(holder)) holder.flow = false
    const present: unknown = document.getIn([section, change.name], true)
    if (change.keep === true && isMap(present))
      reconcileMap(present, change.entry, { document, make: (value) => compact(document.createNode(value), 'inner') })
    else document.setIn([section, change.name], compact(document.createNode(change.entry)))
    if (change.dial !== undefined) setHost(document, change.dial)
  } else {
    if (!document.hasIn([section, change.name]))
      throw new JitError('not-found', `the config has no ${section.slice(0, -1)} named ${quote(change.name)}`)
    document.deleteIn([section, change.name])
  }
  const after = print(document)
  checkOnlyChange(value, readYaml('jit.yaml', after).value, section, change)
  return after
}

function setHost(document: Document, { name, address }: Dialled): void {
  const hosts = ['network', 'hosts']
  for (const path of [['network'], hosts]) if (!isMap(document.getIn(path))) document.setIn(path, document.createNode({}))
  document.setIn([...hosts, name], address)
}

function print(document: Document): string {
  try {
    return document.toString({ lineWidth: 0 })
  } catch (error) {
    // The anchor went with the entry, and its aliases stayed.
    throw new JitError('config.invalid', 'another entry repeats this one by a YAML alias; write it out, then try again', { cause: error })
  }
}

/** Lists, and maps one level down, stand on one line where they fit: the way people write a config by hand. */
function compact(entry: Node, place: 'entry' | 'inner' = 'entry'): Node {
  visit(entry, {
    Collection(_, node, ancestors) {
      if (place === 'entry' && ancestors.length === 0) return undefined
      const flat = node.items.every((item) => isScalar(item) || isSeq(item) || (!isCollection(item) && !hasMapValue(item)))
      if (flat && JSON.stringify(node.toJSON()).length <= inlineLength) node.flow = true
      return undefined
    },
  })
  return entry
}

function hasMapValue(pair: unknown): boolean {
  return typeof pair === 'object' && pair !== null && 'value' in pair && isMap(pair.value)
}

/** The rewritten text must mean what the old one did, but for the one entry, and the host that comes with it: else it is not written. */
function checkOnlyChange(before: unknown, after: unknown, section: string, change: ConfigEdit): void {
  const dial = 'set' in change ? change.dial : undefined
  const without = (value: unknown): Json => {
    const root = plain(value)
    const { [section]: entries, ...rest } = root
    const { [change.name]: _, ...others } = plain(entries ?? {})
    return { ...rest, [section]: others, ...(dial === undefined ? {} : { network: withoutHost(rest['network'], dial.name) }) }
  }
  const kept = canonicalJson(without(before)) === canonicalJson(without(after))
  const entry = plain(plain(after)[section] ?? {})[change.name]
  const wanted = 'set' in change ? canonicalJson(change.entry) : undefined
  const found = entry === undefined ? undefined : canonicalJson(entry)
  const dialled = dial === undefined || plain(plain(plain(after)['network'] ?? {})['hosts'] ?? {})[dial.name] === dial.address
  if (!kept || !dialled || wanted !== found)
    throw new JitError(
      'config.invalid',
      `${section}.${change.name} cannot be edited without changing more than that (a YAML alias?); the file was left alone`,
    )
}

function withoutHost(network: Json | undefined, name: string): JsonObject {
  const { hosts, ...rest } = plain(network ?? {})
  const { [name]: _, ...others } = plain(hosts ?? {})
  return { ...rest, hosts: others }
}

function plain(value: unknown): Record<string, Json> {
  const copy: unknown = structuredClone(value)
  return typeof copy === 'object' && copy !== null && !Array.isArray(copy) ? (copy as Record<string, Json>) : {}
}
