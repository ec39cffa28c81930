import type { RequestRule } from '../core/types.ts'
import type { Sending } from './verdict.ts'

/** A field by which Rails, Laravel, Symfony, Spring and others take another method for the request's own. */
export const methodField = '_method'

/** Characters that are kept for the next look; a spelling of the field is shorter. */
const keptLength = 256

const formName = [...methodField].map((letter) => `(?:${letter}|${percent(letter)})`)
// PHP makes its first letter of these too.
formName[0] = `(?:[_.+]|${percent('_')}|${percent('.')})`
/** After `&`, as the name of a part, and as the id of one without a name. */
const inForm = new RegExp(
  `(?:[&;]|\\bname\\*?\\+?=\\+?(?:[\\w-]{0,40}'[\\w-]{0,40}')?["']?|\\bcontent-id\\+?:\\+?<?)\\+?${formName.join('')}`,
  'i',
)
const inJson = new RegExp(`"${[...methodField].map((letter) => `(?:${letter}|\\\\u00${hex(letter)})`).join('')}" ?:`, 'i')

/** What some readers skip before a field's name, also escaped: as long as a server likes. */
const skipped = /(?:[\s+[\]]|%20|%5b|%5d)+/gi

/** Looks for the field in a body that goes by in pieces. */
export interface MethodWatch {
  /** True: this piece has it, and must not travel. */
  sees(piece: Buffer): boolean
}

/** For the POST of a call, whose rules bind its method; undefined where no reader looks for the field, or a rule binds it. */
export function watchMethod({ method, charge }: Pick<Sending, 'method' | 'charge'>): MethodWatch | undefined {
  if (charge === undefined || method !== 'POST' || binds(charge.rule)) return undefined
  const type = charge.wire.headers.get('content-type') ?? ''
  // Without a type some take it for a form.
  if (/^\s*([;,]|$)|form|multipart/i.test(type)) return watch('&', inForm, (text) => text.replaceAll('\\', '').replace(skipped, '+'))
  return /json/i.test(type) ? watch('', inJson, (text) => text.replace(/\s+/g, ' ')) : undefined
}

function watch(start: string, field: RegExp, plain: (text: string) => string): MethodWatch {
  let last = start
  return {
    sees(piece) {
      const text = plain(last + piece.toString('latin1'))
      last = text.slice(-keptLength)
      return field.test(text)
    },
  }
}

/** A form lists all its fields. */
function binds({ form, body = [] }: RequestRule): boolean {
  return form !== undefined || body.some(({ pointer }) => pointer === `/${methodField}`)
}

function percent(letter: string): string {
  return `%${hex(letter)}`
}

function hex(letter: string): string {
  return letter.charCodeAt(0).toString(16)
}
