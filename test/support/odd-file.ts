import { execFileSync } from 'node:child_process'
import { closeSync, constants, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { onTestFinished } from 'vitest'

export const oddKinds = ['a pipe', 'a symbolic link', 'a link to nowhere', 'a folder', 'a socket'] as const

/**
 * Puts something at `file` that is no regular file. Both ends of a pipe are held open, unless said otherwise, so that whoever
 * opens it does wrong without waiting for ever.
 */
export async function makeOdd(file: string, kind: (typeof oddKinds)[number], held = true): Promise<void> {
  switch (kind) {
    case 'a pipe': {
      execFileSync('mkfifo', [file])
      if (!held) return
      const descriptor = openSync(file, constants.O_RDWR | constants.O_NONBLOCK)
      onTestFinished(() => closeSync(descriptor))
      return
    }
    case 'a symbolic link':
      writeFileSync(`${file}.target`, '')
      return symlinkSync(`${file}.target`, file)
    case 'a link to nowhere':
      return symlinkSync(`${file}.nowhere`, file)
    case 'a folder':
      return void mkdirSync(file)
    case 'a socket': {
      const server = createServer()
      onTestFinished(() => void server.close())
      return new Promise((resolve) => server.listen(file, resolve))
    }
  }
}
