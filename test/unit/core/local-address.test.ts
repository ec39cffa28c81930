import { describe, expect, it } from 'vitest'
import { hostsLine, localAddress } from '../../../src/core/local-address.ts'

describe('what network.hosts needs for an address', () => {
  it.each([
    ['http://127.0.0.1:3901/mcp', '127.0.0.1:3901', '127.0.0.1:3901'],
    ['http://127.1/mcp', '127.0.0.1:80', '127.0.0.1:80'],
    ['http://0x7f000002:81/', '127.0.0.2:81', '127.0.0.2:81'],
    ['https://LOCALHOST/mcp', 'localhost:443', '127.0.0.1:443'],
    ['http://[0:0::1]:3000', '[::1]:3000', '[::1]:3000'],
  ])('is told of one of this machine: %s', (url, name, address) => {
    expect(localAddress(url)).toEqual({ name, address })
  })

  it.each([
    'https://mcp.acme.dev/mcp',
    'http://10.0.0.3/',
    'http://169.254.169.254/',
    'https://localhost.acme.dev/',
    'https://127.0.0.1.acme.dev/',
    'https://acme.dev/?localhost',
    'https://localhost@acme.dev/',
    'ws://localhost/',
    'localhost:3000',
    '',
  ])('is nothing for any other: %s', (url) => {
    expect(localAddress(url)).toBeUndefined()
  })

  it('is one line', () => {
    expect(hostsLine({ name: '[::1]:3000', address: '[::1]:3000' })).toBe('network: { hosts: { "[::1]:3000": "[::1]:3000" } }')
  })
})
