const cap = 1024 * 1024

/** All of stdin, up to a megabyte: nothing that a command takes there is larger. */
export async function readStdin(): Promise<string> {
  let all = ''
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    all += String(chunk)
    if (all.length > cap) break
  }
  return all
}
