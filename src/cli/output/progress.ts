import { errorColours } from './terminal.ts'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const quietFor = 300
const frameEvery = 90

/** Shows that something is going on, on a terminal, once it takes longer than a moment. */
export async function withProgress<T>(text: string, work: Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return work
  const started = Date.now()
  let drawn = false
  const timer = setInterval(() => {
    const passed = Date.now() - started
    if (passed < quietFor) return
    drawn = true
    process.stderr.write(`\r${frames[Math.floor(passed / frameEvery) % frames.length] ?? ''} ${errorColours.dim(text)}`)
  }, frameEvery)
  try {
    return await work
  } finally {
    clearInterval(timer)
    if (drawn) process.stderr.write('\r\u001b[K')
  }
}
