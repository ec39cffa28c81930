import { describe, expect, it } from 'vitest'
import { refuseAddress } from '../../../src/network/address.ts'

describe('refuseAddress', () => {
  it.each(['140.82.112.3', '2606:50c0:8000::153', '8.8.8.8'])('lets public %s be dialled', (address) => {
    expect(refuseAddress(address)).toBeUndefined()
  })

  it.each([
    ['loopback', '127.0.0.1'],
    ['loopback of IPv6', '::1'],
    ['a private network', '10.0.0.8'],
    ['a private network', '192.168.1.1'],
    ['a private network', '172.20.0.1'],
    ['link-local metadata', '169.254.169.254'],
    ['metadata mapped into IPv6', '::ffff:169.254.169.254'],
    ['metadata through NAT64', '64:ff9b::a9fe:a9fe'],
    ['metadata through 6to4', '2002:a9fe:a9fe::1'],
    ['metadata of AWS over IPv6', 'fd00:ec2::254'],
    ['metadata of Alibaba', '100.100.100.200'],
    ['the wire server of Azure', '168.63.129.16'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['multicast', '224.0.0.1'],
    ['nothing', '0.0.0.0'],
    ['a number in disguise', '2130706433'],
    ['a name', 'localhost'],
  ])('refuses %s: %s', (_, address) => {
    expect(refuseAddress(address)).toBeDefined()
  })
})
