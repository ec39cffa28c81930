import { describe, expect, it } from 'vitest'
import { readHeaders } from '../../../src/egress/headers.ts'

const placeholder = 'ghs_placeholderplaceholderplaceholder1234'
const host = ['Host', 'api.github.com']

describe('readHeaders', () => {
  it.each([
    ['Bearer', `Bearer ${placeholder}`, 'Bearer T'],
    ['token', `token ${placeholder}`, 'token T'],
    ['Basic, as a password', `Basic ${btoa(`x:${placeholder}`)}`, `Basic ${btoa('x:T')}`],
    ['Basic, as a name', `Basic ${btoa(`${placeholder}:x-oauth-basic`)}`, `Basic ${btoa('T:x-oauth-basic')}`],
  ])('finds the placeholder in %s and puts the token exactly there', (_, value, written) => {
    const reading = readHeaders([...host, 'Authorization', value, 'Accept', 'a/b'], placeholder)
    if (!reading.ok) throw new Error(reading.reason)
    expect(reading.sites.map((site) => [site.name, site.write('T')])).toEqual([['Authorization', written]])
    expect(reading.headers).toEqual(['Accept', 'a/b'])
  })

  it.each([
    ['another token', ['Authorization', 'Bearer ghp_somebodyelse']],
    ['the placeholder with something behind it', ['Authorization', `Bearer ${placeholder}x`]],
    ['two credentials', ['Authorization', `Bearer ${placeholder}`, 'Authorization', 'Bearer other']],
    ['another credential header', ['Authorization', `Bearer ${placeholder}`, 'X-Api-Key', 'mine']],
    ['an odd spelling', ['X_Api_Key', placeholder]],
    ['the placeholder elsewhere', ['User-Agent', `me ${placeholder}`]],
    ['two hosts', ['Host', 'evil.example']],
    ['two lengths', ['Content-Length', '1', 'Content-Length', '2']],
    ['a length and a coding', ['Content-Length', '1', 'Transfer-Encoding', 'chunked']],
    ['a coding in disguise', ['Transfer-Encoding', 'xchunked']],
    ['an upgrade', ['Upgrade', 'websocket']],
  ])('refuses %s', (_, headers) => {
    expect(readHeaders([...host, ...headers], placeholder).ok).toBe(false)
  })

  it.each(['Range', 'If-Range', 'RANGE', 'x-ms-range', 'Request-Range'])('drops %s: an answer in pieces could not be scrubbed', (name) => {
    const reading = readHeaders([...host, name, 'bytes=0-9', 'Authorization', `Bearer ${placeholder}`, 'Accept', 'a/b'], placeholder)
    expect(reading).toMatchObject({ ok: true, headers: ['Accept', 'a/b'] })
  })

  it('keeps them in a lane to AWS, whose clients put large objects together from pieces', () => {
    const reading = readHeaders([...host, 'Range', 'bytes=0-9'], placeholder, 'aws-sigv4')
    expect(reading).toMatchObject({ ok: true, headers: ['Range', 'bytes=0-9'] })
  })

  it('does not ask Vault for an answer that can be opened elsewhere', () => {
    expect(readHeaders([...host, 'X-Vault-Wrap-TTL', '24h'], placeholder)).toMatchObject({ ok: true, headers: [] })
  })

  it('lets no server log in to Vault by itself within a request, or past its policies', () => {
    const names = ['X-Vault-Inline-Auth-Path', 'x_vault_inline_auth_parameter_role', 'X-Vault-Policy-Override', 'X-Vault-Request']
    const reading = readHeaders([...host, ...names.flatMap((name) => [name, 'x'])], placeholder)
    expect(reading.ok && [...reading.steering]).toEqual(names.slice(0, 3).map((name) => name.toLowerCase()))
  })

  it('finds what only a rule that names it lets through', () => {
    const names = ['X-Amz-Acl', 'x-amz-date', 'x-amz-meta-a', 'X-Ms-Copy-Source', 'Sudo', 'Destination', 'Accept']
    const raw = [...host, ...names.flatMap((name) => [name, 'x'])]
    const steeringOf = (of: 'token' | 'aws-sigv4'): unknown => {
      const reading = readHeaders(raw, placeholder, of)
      return reading.ok && [...reading.steering]
    }
    expect(steeringOf('token')).toEqual(['x-ms-copy-source', 'sudo', 'destination'])
    expect(steeringOf('aws-sigv4')).toEqual(['x-amz-acl', 'x-ms-copy-source', 'sudo', 'destination'])
  })

  it.each([
    'Impersonate-User',
    'Impersonate-Extra-Scopes',
    'es-security-runas-user',
    'On-Behalf-Of',
    'cb-on-behalf-of',
    'X-Redmine-Switch-User',
    'Stripe-Account',
    'Stripe_Context',
    'Dropbox-API-Arg',
    'Dropbox-API-Select-Admin',
    'X-Copy-From',
    'X-Copy-From-Account',
    'X-Object-Manifest',
    'Accept-Profile',
    'X-Hasura-Role',
    'X-Scope-OrgID',
    'X-Grafana-Org-Id',
    'Xero-Tenant-Id',
  ])('lets %s through only where a rule names it', (name) => {
    const reading = readHeaders([...host, name, 'x'], placeholder)
    expect(reading.ok && [...reading.steering]).toEqual([name.toLowerCase()])
  })

  it('lets none through twice as one that a rule binds', () => {
    const reading = readHeaders([...host, 'X-Amz-Target', 'a', 'x-amz-target', 'a'], placeholder, 'aws-sigv4')
    expect(reading.ok && [reading.steering.size, reading.named.has('x-amz-target')]).toEqual([1, false])
    const listed = readHeaders([...host, 'Connection', 'x-amz-target', 'X-Amz-Target', 'a'], placeholder, 'aws-sigv4')
    expect(listed).toMatchObject({ ok: true, headers: [], named: new Map() })
  })

  it.each(['X_Tenant', 'x.tenant'])('refuses %s beside X-Tenant, which some readers take for one', (name) => {
    for (const pair of [['X-Tenant', 'a', name, 'b'] as const, [name, 'b', 'X-Tenant', 'a'] as const])
      expect(readHeaders([...host, ...pair], placeholder)).toMatchObject({ ok: false, status: 400 })
  })

  it('refuses what two readers could sign differently in a lane to AWS', () => {
    const raw = [...host, 'x-amz-meta-a', '\u00e9']
    expect(readHeaders(raw, placeholder, 'aws-sigv4')).toMatchObject({ ok: false, status: 400 })
    expect(readHeaders(raw, placeholder).ok).toBe(true)
  })

  it('drops what ends with this hop or tells of another', () => {
    const names = ['Connection', 'Proxy-Authorization', 'Cookie', 'X-Forwarded-For', 'Accept-Encoding', 'TE']
    const reading = readHeaders([...host, ...names.flatMap((name) => [name, 'x']), 'Accept', 'a/b'], placeholder)
    expect(reading).toMatchObject({ ok: true, headers: ['Accept', 'a/b'], sites: [] })
  })
})
