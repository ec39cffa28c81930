import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { refusedWith } from '../../../../src/gateway/upstream/http/refusals.ts'

const token = 'Ghs-SecretOfThisCall'

function moved(location: string): string {
  const response = new IncomingMessage(new Socket())
  response.statusCode = 307
  response.headers.location = location
  const scrub = (text: string): string => text.replaceAll(token, '[removed]')
  return refusedWith(response, { server: 's', url: new URL('https://mcp.test/mcp'), provider: 'p', governed: true, words: '', scrub })
    .message
}

it.each([
  ['a path', `https://other.test/${token}`],
  ['a host, which is read in lower case', `https://${token}/x`],
  ['a part of a host', `https://${token}.other.test/x`],
  ['a place that is no address', `https://[${token}`],
])('a credential that is %s to which a server sends is not shown', (_, location) => {
  expect(moved(location).toLowerCase()).not.toContain(token.toLowerCase())
})

it.each([
  ['https://other.test/take?x=1#y', 'https://other.test/take'],
  ['/other', 'https://mcp.test/other'],
])('a place to which a server sends is shown as an address without its query: %s', (location, shown) => {
  expect(moved(location)).toContain(`"${shown}"`)
})
