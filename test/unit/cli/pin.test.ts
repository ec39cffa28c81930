import { describe, expect, it } from 'vitest'
import { pinText } from '../../../src/cli/output/pin.ts'

const hex = '0ca0d550119dd8c891da81bdc0bb47414a73b62cdf2acc30c60f7f8220be7f16'
const base64 = 'AbCdEfGhIjKl+/MnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIg=='

describe('a pin, for people', () => {
  it.each([
    ['of npm', `npm:@acme/x@1.0.0 sha512-${base64} sha256:${hex}`, 'npm:@acme/x@1.0.0 sha512-AbCdEfGhIjKl… sha256:0ca0d550119d…'],
    ['of PyPI', `pypi:mcp-server-time@1.0 sha256:${hex}`, 'pypi:mcp-server-time@1.0 sha256:0ca0d550119d…'],
    [
      'of a runner',
      `sha256:${hex} (of uv alone: what it runs is not pinned)`,
      'sha256:0ca0d550119d… (of uv alone: what it runs is not pinned)',
    ],
    ['of a package with such a name', `npm:sha256@1.0.0 sha256:${hex}`, 'npm:sha256@1.0.0 sha256:0ca0d550119d…'],
    ['that is short already', 'npm:x@1 sha256:0ca0d5', 'npm:x@1 sha256:0ca0d5'],
    ['with what a terminal would obey', `npm:x\u001b[2J@1 sha256:${hex}`, 'npm:x\\u001b[2J@1 sha256:0ca0d550119d…'],
  ])('%s: is as it is, with its hashes by their first characters', (_, pin, text) => {
    expect(pinText(pin)).toBe(text)
  })
})
