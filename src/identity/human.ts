import { userInfo } from 'node:os'

/** The operating-system account as the trail names it: `name(uid)`; `uid(uid)` for an account without a name (containers). */
export function humanName(): string {
  const uid = process.getuid?.()
  try {
    const { username } = userInfo()
    return uid === undefined ? username : `${username}(${uid})`
  } catch {
    return `uid(${uid ?? 'unknown'})`
  }
}
