/**
 * Control, format and private characters, line and paragraph separators, and whatever else shows nothing: two texts that differ
 * only in these look alike to the person who approves them.
 */
export function holdsInvisible(text: string): boolean {
  return /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/u.test(text)
}
