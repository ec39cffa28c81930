/** Pieces of a line that are kept apart at the most, and how long a row of them is not copied any more. */
const looseCap = 1024
const rowBytes = 1024 * 1024
/** Of the end of a line that is passed over. */
const tailBytes = 512

/**
 * Splits a stream into lines without joining what arrived more than once. A line over the cap is passed over to its end and
 * reported by its length, its first piece and its last bytes.
 */
export function lineReader(
  cap: number,
  onLine: (line: Buffer) => void,
  onTooLong: (bytes: number, head: Buffer, tail: Buffer) => void,
): (chunk: Buffer) => void {
  let parts: Buffer[] = []
  let size = 0
  let joined = 0
  let tail = Buffer.alloc(0)
  const endOf = (piece: Buffer): Buffer<ArrayBuffer> => Buffer.concat([tail, piece.subarray(-tailBytes)]).subarray(-tailBytes)
  /** Each piece takes far more memory than a byte, and a server may write byte by byte. */
  const join = (): void => {
    const row = parts.slice(joined)
    if (row.reduce((sum, { length }) => sum + length, 0) < rowBytes) parts.splice(joined, row.length, Buffer.concat(row))
    joined = parts.length
  }
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
      joined = 0
      if (length > cap) {
        onTooLong(length, whole[0] ?? piece, endOf(piece))
        tail = Buffer.alloc(0)
      } else onLine(whole.length === 0 ? piece : Buffer.concat([...whole, piece], length))
    }
    if (start >= chunk.length) return
    const rest = chunk.subarray(start)
    size += rest.length
    if (size <= cap || parts.length === 0) parts.push(rest)
    else {
      tail = endOf(parts.length === 1 ? rest : Buffer.concat([...parts.slice(-1), rest]))
      parts.length = 1
    }
    if (parts.length - joined >= looseCap) join()
  }
}
