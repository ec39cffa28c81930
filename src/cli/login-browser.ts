import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { loginEvent } from '../api/schema.ts'
import { JitError } from '../core/errors.ts'
import { openBrowser } from './browser.ts'
import { reviveError } from './client.ts'
import { errorColours, note } from './output/terminal.ts'
import { plain } from './output/text.ts'

/** What a person sees of a login that goes through the browser. */
export interface LoginScreen {
  /** Default: the system's browser. */
  readonly open: (address: string) => void
  readonly say: (text: string) => void
  readonly note: (text: string) => void
}

const terminal: LoginScreen = { open: openBrowser, say: (text) => void process.stderr.write(`${text}\n`), note }

/**
 * Follows a login in the daemon to its end: shows each address whole, and opens it unless `opens` says no. Answers what was
 * registered. This side learns nothing of what comes back.
 */
export async function followLogin(events: Readable, opens: boolean, screen: LoginScreen = terminal): Promise<unknown> {
  for await (const line of createInterface({ input: events })) {
    const event = loginEvent.parse(JSON.parse(line))
    if ('error' in event) throw reviveError({ error: event.error })
    if ('registered' in event) return event.registered
    for (const text of event.notes) screen.note(plain(text))
    screen.say(`${opens ? 'Your browser opens this page' : 'Open this page in your browser'}; log in there:\n\n  ${plain(event.open)}\n`)
    screen.say(errorColours.dim('Waiting for the answer, ten minutes at most. Ctrl-C gives up.'))
    if (opens) screen.open(event.open)
  }
  throw new JitError('daemon.unreachable', 'the daemon closed the connection before the login was over', {
    hint: 'Nothing was registered. Look at `jit status`, then try again.',
  })
}
