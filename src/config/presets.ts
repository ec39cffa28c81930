import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { quote } from '../core/errors.ts'
import { configError } from './problems.ts'
import { parsePreset } from './parse.ts'
import type { Preset } from './schema.ts'
import type { PresetSource } from './types.ts'

/** Reads every `<name>.yaml` of the folder. Throws JitError `config.invalid` when one of them is broken. */
export function loadPresets(folder: string): PresetSource {
  const presets = new Map<string, Preset>()
  for (const entry of readdirSync(folder).sort()) {
    if (!entry.endsWith('.yaml')) continue
    const file = join(folder, entry)
    const preset = parsePreset(file, readFileSync(file, 'utf8'))
    if (`${preset.preset}.yaml` !== entry) {
      throw configError([
        { file, line: 1, column: 1, path: 'preset', message: `names itself ${quote(preset.preset)}, which is not the file's name` },
      ])
    }
    presets.set(preset.preset, preset)
  }
  return Object.assign((name: string) => presets.get(name), { names: [...presets.keys()] })
}
