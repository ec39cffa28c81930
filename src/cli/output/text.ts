/** C0, DEL and C1; soft hyphen; bidirectional marks; what has no width or no ink; tag characters; halves of a pair. */
const unsafe =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]|[\u{e0100}-\u{e01ef}]|[\ufe00-\ufe0e]|\u034f|\u17b4|\u17b5|\p{Surrogate}/gu

const wide =
  /[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u

/** What a stranger wrote, safe for a terminal: control, bidirectional and invisible characters are shown, not obeyed. */
export function plain(text: string): string {
  return text.replace(unsafe, (character) => {
    const code = (character.codePointAt(0) ?? 0).toString(16)
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`
  })
}

/** JSON as it is printed: the same value, and as safe for a terminal as `plain`, which JSON alone is not (C1, bidirectional). */
export function plainJson(json: string): string {
  return json.replace(unsafe, (character) =>
    character === '\n'
      ? character
      : Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`).join(''),
  )
}

/** Columns that a text takes; colours take none. */
export function displayWidth(text: string): number {
  let width = 0
  for (const character of text.replace(/\u001b\[[\d;]*m/g, '')) width += wide.test(character) ? 2 : /\p{Mark}/u.test(character) ? 0 : 1
  return width
}

export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}

/** At most so many columns; what is missing is marked. */
export function cut(text: string, width: number): string {
  if (displayWidth(text) <= width) return text
  let kept = ''
  let used = 0
  for (const character of text) {
    used += displayWidth(character)
    if (used > width - 1) break
    kept += character
  }
  return `${kept}…`
}

/** Lines of at most so many columns: broken at spaces, and within a word where it is longer than a line. An indent stays. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const paragraph of text.split('\n')) {
    const [indent = ''] = /^ */.exec(paragraph) ?? []
    let line = ''
    for (const [index, word] of paragraph.slice(indent.length).split(' ').entries()) {
      const joined = index === 0 ? `${indent}${word}` : line === '' ? word : `${line} ${word}`
      if (displayWidth(joined) <= width) {
        line = joined
        continue
      }
      if (line !== '') lines.push(line)
      line = word
      while (displayWidth(line) > width) {
        const piece = slice(line, width)
        lines.push(piece)
        line = line.slice(piece.length)
      }
    }
    lines.push(line)
  }
  return lines
}

/** The first characters of a text that fit; at least one, so that whoever takes them gets on. */
function slice(text: string, width: number): string {
  let taken = ''
  for (const character of text) {
    if (taken !== '' && displayWidth(taken + character) > width) break
    taken += character
  }
  return taken
}

/** `1 request`, `2 requests` */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
