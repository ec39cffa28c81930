import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type KindView, kindView } from '../api/schema.ts'

/**
 * The kinds of providers that are built in, for help without a daemon: `config/kinds.json`, which `npm run reference` writes
 * from the code. Empty where that file cannot be read.
 */
export function builtInKinds(): readonly KindView[] {
  // Source and dist lie at different depths.
  for (const folder of ['../..', '../../..']) {
    try {
      return z.array(kindView).parse(JSON.parse(readFileSync(join(import.meta.dirname, folder, 'config/kinds.json'), 'utf8')))
    } catch {
      continue
    }
  }
  return []
}
