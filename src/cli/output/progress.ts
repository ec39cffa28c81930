import { JitError } from '../../core/errors.ts'
import { fail } from './failure.ts'
import { errorColours } from './terminal.ts'

const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const quietFor = 300
const frameEvery = 90

/** Shows that something is going on, on a terminal, once it takes longer than a moment. Ctrl-C ends the command. */
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
  process.once('SIGINT', giveUp)
  try {
    return await work
  } finally {
    clearInterval(timer)
    process.off('SIGINT', giveUp)
    if (drawn) process.stderr.write('\r\u001b[K')
  }
}

/** The daemon drops what it can; what it had done by then stays. */
function giveUp(): void {
  process.stderr.write('\r\u001b[K')
  const hint = 'The daemon may have finished what it had begun: `jit status` shows what there is.'
  fail(new JitError('cancelled', 'cancelled', { hint }), false)
  process.exit()
}
