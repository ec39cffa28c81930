import { z } from 'zod'
import { type JsonObject, isJsonObject } from '../core/json.ts'
import { configSchema } from './schema.ts'

/** JSON Schema (2020-12) of the config file for editors; each provider entry is described by its kind's own schema. */
export function configJsonSchema(kinds: ReadonlyMap<string, z.ZodType>): JsonObject {
  const schema = toJsonSchema(configSchema)
  const properties = isJsonObject(schema['properties']) ? schema['properties'] : {}
  const providers = isJsonObject(properties['providers']) ? properties['providers'] : {}
  const entries = [...kinds].map(([kind, config]) => providerEntry(kind, toJsonSchema(config)))
  return {
    ...schema,
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'jit.yaml',
    properties: {
      ...properties,
      providers: entries.length === 0 ? providers : { ...providers, additionalProperties: { oneOf: entries } },
    },
  }
}

function providerEntry(kind: string, config: JsonObject): JsonObject {
  const { $schema: _, ...rest } = config
  const properties = isJsonObject(rest['properties']) ? rest['properties'] : {}
  const required = Array.isArray(rest['required']) ? rest['required'] : []
  return { ...rest, type: 'object', properties: { kind: { const: kind }, ...properties }, required: ['kind', ...required] }
}

function toJsonSchema(schema: z.ZodType): JsonObject {
  return z.record(z.string(), z.json()).parse(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }))
}
