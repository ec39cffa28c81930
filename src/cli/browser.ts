import { spawn } from 'node:child_process'

/**
 * Opens an address in the person's browser; whether one is there is not known. No shell sees it, and nothing but http and https
 * is opened. `JIT_BROWSER`, or `BROWSER`, names a program that is started with the address as its one argument.
 */
export function openBrowser(address: string, environment: NodeJS.ProcessEnv = process.env): void {
  const url = URL.parse(address)
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) return
  const [program, ...before] = browserOf(environment)
  const child = spawn(program, [...before, url.href], { stdio: 'ignore', detached: true, shell: false })
  // The address stands on the terminal too.
  child.once('error', () => undefined)
  child.unref()
}

function browserOf({ JIT_BROWSER: ours = '', BROWSER: usual = '' }: NodeJS.ProcessEnv): readonly [string, ...string[]] {
  const named = ours === '' ? usual : ours
  if (named !== '') return [named]
  if (process.platform === 'darwin') return ['open']
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
  return ['xdg-open']
}
