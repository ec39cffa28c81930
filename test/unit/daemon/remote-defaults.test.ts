import { describe, expect, it } from 'vitest'
import { providers } from '../../../providers/index.ts'
import { withRemoteDefaults } from '../../../src/daemon/remote-defaults.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import type { Registry } from '../../../src/daemon/registry.ts'

type Entries = ReturnType<Registry['entries']>

const url = 'https://mcp.acme.dev/mcp'
const nothing = async (): Promise<never> => {
  throw new Error('nobody asks')
}

function pluginOf(kind: string): Entries[number]['plugin'] {
  const found = providers.find((plugin) => plugin.kind === kind)
  if (found === undefined) throw new Error(`there is no ${kind}`)
  return found
}

/** A registered provider; one with a `resource` is a login for that server. */
function registered(name: string, resource?: string): Entries[number] {
  const origin = new URL(resource ?? url).origin
  return {
    name,
    secrets: [],
    plugin: pluginOf(resource === undefined ? 'oauth' : 'mcp'),
    provider: {
      origin,
      ...(resource === undefined ? {} : { wholeScope: { resource } }),
      prove: nothing,
      mint: nothing,
      covers: () => false,
      partition: () => '',
      describe: () => '',
    },
  }
}

const filled = (entry: JsonObject, ...entries: Entries): JsonObject => withRemoteDefaults(entry, { entries: () => entries })
const scope = { resource: url }

describe('the entry of a remote server', () => {
  it('has the login at its address, for its calls, its lists and its handshake', () => {
    expect(filled({ url, allow: ['x'] }, registered('other'), registered('acme', url))).toEqual({
      url,
      allow: ['x'],
      provider: 'acme',
      inject: { mode: 'header' },
      scope,
      startup: { scope },
    })
  })

  it('has the login for exactly its address, of several at one origin', () => {
    expect(filled({ url }, registered('a', 'https://mcp.acme.dev/other'), registered('b', url))).toMatchObject({ provider: 'b' })
    expect(filled({ url }, registered('a', 'https://mcp.acme.dev/other'))).toMatchObject({ provider: 'a' })
    expect(() => filled({ url }, registered('a', url), registered('b', url))).toThrow(/2 logins are for "https:..mcp.acme.dev": a, b/)
  })

  it('keeps what it says itself', () => {
    const own = { url, provider: 'acme', scope: { resource: url, scopes: ['read'] }, inject: { header: { name: 'X', value: '${token}' } } }
    expect(filled(own, registered('acme', url), registered('second', url))).toEqual({
      ...own,
      inject: { mode: 'header', ...own.inject },
      startup: { scope: own.scope },
    })
    expect(filled({ url, startup: { scope: { resource: 'x' } } }, registered('acme', url))).toMatchObject({
      startup: { scope: { resource: 'x' } },
    })
  })

  it.each([
    ['a command', { run: ['x'] }, [registered('acme', url)]],
    ['another origin', { url: 'https://mcp.acme.dev:8443/mcp' }, [registered('acme', url)]],
    ['a provider of another kind', { url, provider: 'other' }, [registered('other'), registered('acme', url)]],
    ['no login there', { url }, [registered('other')]],
    ['no address at all', { url: 'mcp' }, [registered('acme', url)]],
  ])('with %s is left as it is', (_, entry, entries) => {
    expect(filled(entry, ...entries)).toEqual(entry)
  })
})
