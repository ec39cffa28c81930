/** What may stand between two parts of a secret, or within it, and is not looked at: white space, quotes, brackets, JSON's own, percent signs. */
export function isSeparator(code: number): boolean {
  if (code < 128) return separators[code] === 1
  return (
    code === 0xa0 ||
    (code >= 0x2000 && code <= 0x200f) ||
    code === 0x2028 ||
    code === 0x2029 ||
    code === 0x2060 ||
    code === 0x3000 ||
    code === 0xfeff
  )
}

const separators = new Uint8Array(128).fill(1, 0, 33)
for (const character of ',;:"\'`[]{}()<>|\\%') separators[character.charCodeAt(0)] = 1

/** The text without the separators at its ends. */
export function trimSeparators(text: string): string {
  let from = 0
  let to = text.length
  while (from < to && isSeparator(text.charCodeAt(from))) from += 1
  while (to > from && isSeparator(text.charCodeAt(to - 1))) to -= 1
  return text.slice(from, to)
}
