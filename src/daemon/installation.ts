import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { JitError } from '../core/errors.ts'

/** `config/presets` beside the package, from source and from dist. */
export function presetFolder(): string {
  for (const folder of ['../../config/presets', '../../../config/presets']) {
    const found = resolve(import.meta.dirname, folder)
    if (existsSync(found)) return found
  }
  throw new JitError('internal', 'the folder config/presets is missing from this installation')
}

/** Version of the package, for status. */
export function packageVersion(): string {
  for (const folder of ['../..', '../../..']) {
    const file = join(import.meta.dirname, folder, 'package.json')
    if (existsSync(file)) {
      const { version }: { version?: string } = JSON.parse(readFileSync(file, 'utf8'))
      if (version !== undefined) return version
    }
  }
  return 'unknown'
}
