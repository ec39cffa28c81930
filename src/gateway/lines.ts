/**
 * Splits a stream into lines without joining what arrived more than once. A line over the cap is passed over to its end and
 * reported by its length.
 */
export function lineReader(
  cap: number,
  onLine: (line: Buffer) => void,
  onTooLong: (bytes: number, head: Buffer) => void,
): (chunk: Buffer) => void {
  let parts: Buffer[] = []
  let size = 0
  return (chunk) => {
    let start = 0
    for (let end = chunk.indexOf(10, start); end !== -1; end = chunk.indexOf(10, start)) {
      const piece = chunk.subarray(start, end)
      start = end + 1
      size += piece.length
      const whole = parts
      const length = size
      parts = []
      size = 0
      if (length > cap) onTooLong(length, whole[0] ?? piece)
      else onLine(whole.length === 0 ? piece : Buffer.concat([...whole, piece], length))
    }
    if (start >= chunk.length) return
    const rest = chunk.subarray(start)
    size += rest.length
    if (size <= cap || parts.length === 0) parts.push(rest)
    else parts.length = 1
  }
}
