import { isJsonObject, type JsonObject } from '../core/json.ts'

/** Bytes; metadata of large servers have some 10 KiB, tokens in an answer up to as much. */
const answerCap = 256 * 1024
const maxDepth = 32

/** The body of an upstream's answer as text. Throws when it has more than 256 KiB. */
export async function answerText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > answerCap) throw new Error(`the answer has more than ${answerCap} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The JSON object that an upstream answered; undefined for anything else, and for one that is nested too deeply to be walked through. */
export function answerObject(text: string): JsonObject | undefined {
  if (isDeep(text)) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Before anything walks through it. Brackets in texts do not count. One pass: the text is a stranger's. */
export function isDeep(text: string): boolean {
  let depth = 0
  let quoted = false
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]
    if (character === '"') quoted = !quoted
    else if (quoted) index += character === '\\' ? 1 : 0
    else if (character === '[' || character === '{') depth += 1
    else if (character === ']' || character === '}') depth -= 1
    if (depth > maxDepth) return true
  }
  return false
}
