import { expect, it } from 'vitest'
import { LiveSearch } from '../../../src/core/live-search.ts'
import { Secret } from '../../../src/core/secret.ts'

const token = 'ghs_ab12CD34ef56GH78ij90KL12mn34OP56qr78'

it('learns of a secret with the next question, or ahead of it', () => {
  let asked = 0
  const source = {
    secrets: [] as Secret[],
    version: 1,
    get list() {
      asked += 1
      return this.secrets
    },
  }
  const search = new LiveSearch(source)
  expect(search.scrubber().scrubText(token)).toBe(token)
  source.secrets = [new Secret(token)]
  source.version = 2
  expect(search.scrubber().scrubText(token)).toBe('[redacted by jit]')
  search.prepare()
  const before = asked
  expect(search.split().matches(token)).toEqual([{ from: 0, to: token.length }])
  expect(search.scrubber().scrubText(token)).toBe('[redacted by jit]')
  expect(asked).toBe(before)
})
