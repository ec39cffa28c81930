import { describe, expect, it } from 'vitest'
import { checkAddress, checkPage, isServerAddress } from './address.ts'

const far = 'https://mcp.example.com/mcp'
const near = 'http://127.0.0.1:8080/mcp'

describe('an address that a server names', () => {
  it.each([
    ['https://login.example.com/token', far],
    ['https://login.example.com:8443/token?tenant=a', far],
    ['http://127.0.0.1:9000/token', near],
    ['http://localhost:9000/token', near],
    ['http://[::1]:9000/token', near],
    ['https://login.example.com/token', near],
  ])('%s is taken from %s', (address, of) => {
    expect(checkAddress(address, 'token_endpoint', of).href).toBe(new URL(address).href)
  })

  it.each([
    ['http://login.example.com/token', far],
    ['http://127.0.0.1:9000/token', far],
    ['http://localhost/token', far],
    ['http://[::1]/token', far],
    ['http://10.0.0.1/token', near],
    ['http://169.254.169.254/latest', near],
    ['http://127.0.0.1.evil.example/token', near],
    ['http://localhost.evil.example/token', near],
    ['https://user:password@login.example.com/', far],
    ['https://login.example.com/#token', far],
    ['ftp://login.example.com/', far],
    ['javascript:alert(1)', far],
    ['file:///etc/passwd', far],
    ['//login.example.com/', far],
    ['', far],
  ])('%s is not taken from %s', (address, of) => {
    expect(() => checkAddress(address, 'token_endpoint', of)).toThrow('nothing is sent to')
  })

  it('leads the browser into no private network, but for an issuer that is there itself', () => {
    for (const host of ['10.0.0.1', '192.168.1.1', '100.64.0.1', '169.254.169.254', '[fd00::1]', '[::ffff:10.0.0.1]', '127.0.0.1'])
      expect(() => checkPage(`https://${host}/x`, 'https://login.example.com', far), host).toThrow('no public address')
    expect(checkPage('https://10.0.0.1/login', 'https://10.0.0.1', far).hostname).toBe('10.0.0.1')
    expect(checkPage('https://93.184.215.14/login', 'https://login.example.com', far).hostname).toBe('93.184.215.14')
  })

  it('of a server itself is https, or http on this machine', () => {
    expect([far, near, 'http://localhost:1/mcp'].every(isServerAddress)).toBe(true)
    expect(['http://example.com', 'https://a@example.com', 'https://example.com/#x', 'mcp.example.com'].some(isServerAddress)).toBe(false)
  })
})
