import { createHash } from 'node:crypto'
import type { z } from 'zod'
import type { JitError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import { explainIssues, kindOf } from './explain-issues.ts'
import { configError, ProblemList } from './problems.ts'
import { configSchema, type Preset, presetSchema } from './schema.ts'
import type { LoadedConfig, SourceMap } from './types.ts'
import { readYaml, type YamlSource } from './yaml-source.ts'

/**
 * Parses the text of a config file against its schema, without I/O and without looking at providers or presets.
 * Throws JitError `config.invalid` with `details.problems`.
 */
export function parseConfig(file: string, text: string): LoadedConfig {
  return parseWithRaw(file, text).loaded
}

/** Like `parseConfig`, with what stood in the file before defaults were filled in. */
export function parseWithRaw(file: string, text: string): { readonly loaded: LoadedConfig; readonly raw: unknown } {
  const { value, source } = readYaml(file, text)
  if (!isJsonObject(value)) throw noMap(file, value, source)
  const raw = withoutEmptySections(value)
  const config = parseBy(configSchema, file, { value: raw, source })
  return { loaded: { config, file, text, digest: createHash('sha256').update(text).digest('hex'), source }, raw }
}

/** Parses `config/presets/<name>.yaml`. Throws like `parseConfig`. */
export function parsePreset(file: string, text: string): Preset {
  return parseBy(presetSchema, file, readYaml(file, text))
}

function parseBy<T>(schema: z.ZodType<T>, file: string, yaml: YamlSource): T {
  const result = schema.safeParse(yaml.value)
  if (result.success) return result.data
  const problems = new ProblemList(file, yaml.source)
  explainIssues(result.error, schema, yaml.value, problems)
  problems.throwIfAny()
  throw result.error
}

/** One that was emptied is not taken for one that says nothing: all servers would be gone. */
function noMap(file: string, value: unknown, source: SourceMap): JitError {
  const problems = new ProblemList(file, source)
  problems.add(
    [],
    value === null || value === undefined
      ? 'the file is empty: write `version: 1` into it'
      : `the file holds ${kindOf(value)}, where it has to hold keys with values: begin it with \`version: 1\``,
  )
  return configError(problems.all)
}

/** `servers:` with nothing below it means no servers, not a wrong type: people comment out what stood there. */
function withoutEmptySections(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([, section]) => section !== null))
}
