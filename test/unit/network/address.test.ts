import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isLoopback, refuseAddress } from '../../../src/network/address.ts'

const none: ReadonlySet<string> = new Set()

describe('an address that a name resolved to', () => {
  it.each(['140.82.121.6', '1.1.1.1', '2606:4700:4700::1111', '2a0a:a440::1'])('%s is dialled', (address) => {
    expect(refuseAddress(address, none)).toBeUndefined()
  })

  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['::1', 'loopback'],
    ['0.0.0.0', 'unspecified'],
    ['::', 'unspecified'],
    ['10.1.2.3', 'a private network'],
    ['172.16.0.1', 'a private network'],
    ['172.31.255.255', 'a private network'],
    ['192.168.1.1', 'a private network'],
    ['100.64.0.1', 'carrier-grade NAT'],
    ['100.100.100.200', 'carrier-grade NAT'],
    ['169.254.169.254', 'link-local'],
    ['169.254.170.2', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fd00:ec2::254', 'a private network'],
    ['fc00::1', 'a private network'],
    ['fec0::1', 'deprecatedSiteLocal'],
    ['168.63.129.16', 'a metadata service'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['240.0.0.1', 'reserved'],
    ['192.0.2.1', 'reserved'],
    ['198.18.0.1', 'reserved'],
    ['::ffff:169.254.169.254', 'an IPv4 address in IPv6 clothes'],
    ['::ffff:8.8.8.8', 'an IPv4 address in IPv6 clothes'],
    ['::127.0.0.1', 'an IPv4 address in IPv6 clothes'],
    ['64:ff9b::a9fe:a9fe', 'NAT64'],
    ['64:ff9b:1::1', 'NAT64'],
    ['2002:7f00:1::', '6to4'],
    ['2001::1', 'teredo'],
    ['2001:db8::1', 'reserved'],
  ])('%s is refused: %s', (address, reason) => {
    expect(refuseAddress(address, none)).toBe(`${address} is ${reason}`)
  })

  it.each(['', 'localhost', 'example.com', '1.2.3', '256.1.1.1', '1.2.3.4.5', '2001:db8::g'])('%j is no address', (text) => {
    expect(refuseAddress(text, none)).toBeDefined()
  })

  it('is refused when it is this machine’s own', () => {
    expect(refuseAddress('203.0.114.9', new Set(['203.0.114.9']))).toBe('203.0.114.9 is this machine')
  })

  it('is never dialled inside 10.0.0.0/8, however it is written', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 24 - 1), (rest) => {
        const number = 10 * 2 ** 24 + rest
        const dotted = [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.')
        for (const spelling of [dotted, `::ffff:${dotted}`, String(number), `0x${number.toString(16)}`])
          expect(refuseAddress(spelling, none)).toBeDefined()
      }),
    )
  })
})

describe('loopback', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.8.8.8', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['10.0.0.1', false],
    ['localhost', false],
  ])('%s: %s', (address, expected) => {
    expect(isLoopback(address)).toBe(expected)
  })
})
