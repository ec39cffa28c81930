const ascii = /^[ -~]*$/

/** Go's JSON folds case by Unicode's simple folding, which maps U+017F to s and U+212A to k; NFKC covers full-width forms. */
export function fold(key: string): string {
  if (ascii.test(key)) return key.toLowerCase()
  return key.normalize('NFKC').replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase()
}

/** A key that some reader takes for one of these names though it is spelled in another way; undefined when there is none. */
export function otherSpelling(object: object, names: readonly string[]): string | undefined {
  let folded: ReadonlySet<string> | undefined
  return Object.keys(object).find((key) => {
    if (names.includes(key)) return false
    folded ??= new Set(names.map(fold))
    return folded.has(fold(key))
  })
}
