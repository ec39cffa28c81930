/**
 * One segment of a path in Vault. Not in it: `/`, `%`, `+`, `*`, `{`, quotes, spaces and control characters, so that nothing can
 * fold, match more than itself, or be a template in a policy. `.` and `..` are no names.
 */
const segmentPattern = /^(?!\.{1,2}$)[A-Za-z0-9._@:~=-]{1,128}$/
const longestPath = 512

export function isSegment(text: string): boolean {
  return segmentPattern.test(text)
}

/** Whether a text is a whole path, such as `secret/data/app/db`: no leading, trailing or double slash. */
export function isPath(text: string): boolean {
  return text.length <= longestPath && text.split('/').every(isSegment)
}

/** Whether it is a name that Vault keeps as it is: it writes policy names in lower case, so that `Web` would become `web`. */
export function isPolicyName(text: string): boolean {
  return /^[a-z0-9][a-z0-9._-]{0,127}$/.test(text)
}
