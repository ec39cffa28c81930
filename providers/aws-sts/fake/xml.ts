import type { Answer } from './state.ts'

type Tree = { readonly [name: string]: string | number | Tree }

/** `<Action>Response` with its result, as the query protocol has it. */
export function succeed(action: string, result: Tree): Answer {
  const body = `<${action}Response><${action}Result>${write(result)}</${action}Result><ResponseMetadata><RequestId>fake</RequestId></ResponseMetadata></${action}Response>`
  return { status: 200, body }
}

export function fail(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}): Answer {
  const error = write({ Error: { Type: status < 500 ? 'Sender' : 'Receiver', Code: code, Message: message }, RequestId: 'fake' })
  return { status, body: `<ErrorResponse>${error}</ErrorResponse>`, headers }
}

function write(tree: Tree): string {
  return Object.entries(tree)
    .map(([name, value]) => `<${name}>${typeof value === 'object' ? write(value) : escape(String(value))}</${name}>`)
    .join('')
}

function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
