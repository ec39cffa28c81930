import type { Attempt } from './attempt.ts'
import { echoAttempts } from './attempts/echo.ts'
import { lookAttempts } from './attempts/look.ts'
import { reachAttempts } from './attempts/reach.ts'
import { requestAttempts } from './attempts/requests.ts'
import { speakAttempts } from './attempts/speak.ts'
import { stayAttempts } from './attempts/stay.ts'

/** In the order in which they are made: what ends the session or spoils the program comes last. */
export const attempts: readonly Attempt[] = [
  ...lookAttempts,
  ...reachAttempts,
  ...requestAttempts,
  ...echoAttempts,
  ...speakAttempts,
  ...stayAttempts,
]
