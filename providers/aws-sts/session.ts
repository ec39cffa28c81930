import { createHash } from 'node:crypto'
import type { MintRequest } from '../../src/provider/index.ts'

/** STS: role session names and source identities have 2 to 64 characters. */
const longestName = 64
const longestTag = 256

/**
 * A text in the letters that STS takes for session names and source identities. One that had to change ends in a part of its
 * hash, so that two texts do not become one name.
 */
export function sessionName(text: string): string {
  const clean = text.replace(/[^A-Za-z0-9_+=,.@-]/g, '-')
  if (clean === text && text.length >= 2 && text.length <= longestName) return text
  const mark = createHash('sha256').update(text).digest('hex').slice(0, 12)
  return `${clean.slice(0, longestName - mark.length - 1)}-${mark}`
}

/** Session tags for CloudTrail and for conditions on `aws:PrincipalTag/jit-server`. */
export function sessionTags(principal: MintRequest['principal']): { Key: string; Value: string }[] {
  return [
    { Key: 'jit-server', Value: tagValue(principal.server) },
    { Key: 'jit-tool', Value: tagValue(principal.tool) },
  ]
}

function tagValue(text: string): string {
  return Array.from(text.replace(/[^\p{L}\p{Z}\p{N}_.:/=+\-@]/gu, '-'))
    .slice(0, longestTag / 2)
    .join('')
}
