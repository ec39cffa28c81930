import { createHash } from 'node:crypto'

/** `received`: what jit waited for; `refused`: the other side's no; `used`: it came before; `unknown`: something else. */
export type Outcome = 'received' | 'refused' | 'used' | 'unknown'

const words: Readonly<Record<Outcome, { status: number; title: string; text: string }>> = {
  received: { status: 200, title: 'Back to the terminal', text: 'jit has its answer and goes on there. You can close this page.' },
  refused: { status: 200, title: 'The login was refused', text: 'The terminal says why. You can close this page.' },
  used: { status: 410, title: 'This answer was given before', text: 'jit takes it once. You can close this page.' },
  unknown: { status: 404, title: 'Nothing here', text: 'This is not the answer that jit waits for.' },
}

const style = `
  :root { color-scheme: light dark }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 17px/1.5 system-ui, sans-serif }
  main { max-width: 26rem; padding: 2rem; text-align: center }
  h1 { font-size: 1.4rem; margin: 0 0 .5rem }
  p { margin: 0; opacity: .75 }
  b { display: inline-block; margin-bottom: 1.5rem; padding: .1rem .6rem; border: 1px solid; border-radius: .4rem; font-family: ui-monospace, monospace }
`
const styleHash = createHash('sha256').update(style).digest('base64')

/** What the browser shows at the end of a login: fixed texts, nothing of the request, nothing that loads or runs. */
export function callbackPage(outcome: Outcome): { status: number; headers: Readonly<Record<string, string>>; body: string } {
  const { status, title, text } = words[outcome]
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
    body: `<!doctype html><html lang="en"><meta charset="utf-8"><title>jit: ${title}</title><style>${style}</style><main><b>jit</b><h1>${title}</h1><p>${text}</p></main></html>\n`,
  }
}
