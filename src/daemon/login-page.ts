import { createHash } from 'node:crypto'

/**
 * `received`: what jit waited for; `refused`: the other side's no; `used`: it came before; `expired`: jit waits no longer; `unknown`:
 * something else.
 */
export type Outcome = 'received' | 'refused' | 'used' | 'expired' | 'unknown'

interface Words {
  readonly status: number
  /** Shape and colour of the sign. */
  readonly sign: 'good' | 'bad' | 'none'
  readonly title: string
  /** HTML, like all here a fixed text. */
  readonly text: string
}

/** Whether the login worked out is not known yet when jit has its answer: so none of them says that it did. */
const words: Readonly<Record<Outcome, Words>> = {
  received: {
    status: 200,
    sign: 'good',
    title: 'Back to the terminal',
    text: 'jit has the answer and finishes the login there. You can close this page.',
  },
  refused: {
    status: 200,
    sign: 'bad',
    title: 'The login was refused',
    text: 'Nothing was registered. The terminal says why. You can close this page.',
  },
  used: {
    status: 410,
    sign: 'none',
    title: 'This answer was given before',
    text: 'jit takes it once, and has it. The terminal says how the login went. You can close this page.',
  },
  expired: {
    status: 404,
    sign: 'bad',
    title: 'The login took too long',
    text: 'jit waits ten minutes for the browser, and they are over. Run <code>jit login</code> again.',
  },
  unknown: {
    status: 404,
    sign: 'none',
    title: 'No login waits for this',
    text: 'If you were logging in, look at the terminal: it may have ended there. Then run <code>jit login</code> again.',
  },
}

const signs: Readonly<Record<Words['sign'], string>> = {
  good: '<i class="good" aria-hidden="true">\u2713</i>',
  bad: '<i class="bad" aria-hidden="true">!</i>',
  none: '',
}

/** Every text has a contrast of 7:1 at least on its ground, and the signs 4.5:1, in the light and in the dark. */
const style = `
  :root { color-scheme: light dark; --ground: #fff; --text: #1c1f24; --quiet: #4a5058; --good: #1a7f37; --bad: #b3261e }
  @media (prefers-color-scheme: dark) { :root { --ground: #16181c; --text: #eceef1; --quiet: #b4bac3; --good: #57c774; --bad: #ff8a80 } }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--ground); color: var(--text); font: 1.0625rem/1.5 system-ui, sans-serif }
  main { max-width: 26rem; padding: 1.5rem 1.5rem 6rem; text-align: center }
  i { display: block; width: 3rem; margin: 0 auto 1.25rem; border: 2px solid; border-radius: 50%; font: 700 1.5rem/3rem system-ui, sans-serif }
  .good { color: var(--good) }
  .bad { color: var(--bad) }
  h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; text-wrap: balance }
  p { margin: 0; color: var(--quiet); text-wrap: balance }
  code { font: .95em ui-monospace, monospace; color: var(--text); white-space: nowrap }
  footer { margin-top: 2.5rem; color: var(--quiet); font: .875rem ui-monospace, monospace }
`
const styleHash = createHash('sha256').update(style).digest('base64')

/** What the browser shows at the end of a login: fixed texts, nothing of the request, nothing that loads or runs. */
export function callbackPage(outcome: Outcome): { status: number; headers: Readonly<Record<string, string>>; body: string } {
  const { status, sign, title, text } = words[outcome]
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      // The address of this page holds the code: it goes nowhere from here.
      'referrer-policy': 'no-referrer',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    },
    body: `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title} \u2013 jit</title><style>${style}</style></head>
<body><main>${signs[sign]}<h1>${title}</h1><p>${text}</p><footer>jit</footer></main></body>
</html>
`,
  }
}
