import { z } from 'zod'
import { duration } from './duration.ts'

/** Names of providers and servers: they stand in file names, URLs and the trail. */
export const instanceName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/, 'a name has letters, digits, "-" and "_", at most 63 characters')

const environmentName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of an environment variable')
const origin = z.string().regex(/^https?:\/\/[^/?#\s@]+$/, 'an origin is https://host[:port], without a path')
const lifetime = z.enum(['call', 'ttl'])

/** A method beside MCP's own; the names that MCP has, or may come to have, are not for it. */
const vendorMethod = z
  .string()
  .regex(/^[A-Za-z][\w.-]*(\/[\w.-]+)+$/, 'a method is like vendor/name')
  .max(128)
  .refine(
    (name) =>
      !/^(notifications\/)?(tools|resources|prompts|completion|logging|tasks|sampling|elicitation|roots|server|subscriptions)(\/|$)/i.test(
        name,
      ) && !/^notifications\/[^/]*$/i.test(name),
    'the protocol’s own methods are not named here',
  )

/** Tool, resource and prompt names as MCP servers may use them. */
export const toolName = /^[A-Za-z0-9_.-]{1,128}$/

/**
 * A scope template: any JSON whose strings may hold `${args.NAME}`; a list item that is only `${args.NAME}` takes the items of
 * an argument that is a list. Its shape is checked by the provider's own schema.
 */
const scopeTemplate = z.record(z.string(), z.json())

const requestRule = z.union([
  z
    .string()
    .describe(
      'METHOD [https://host]/path[?query], e.g. "GET /repos/${args.owner}/${args.repo}/issues?page&state=${args.state}". In the path ${args.NAME} is one segment, ${args.NAME...} several (src/main.ts), ${args.NAME|encoded} one whose slashes are escaped (acme%2Fweb), * one of any name, ** the rest, ${seen.NAME} a captured value. A query parameter that is not named refuses the request; one that is bound to a value must stand there with it, and is refused when the call lacks the argument.',
    ),
  z.strictObject({
    request: z.string(),
    graphql: z
      .strictObject({
        operation: z.enum(['query', 'mutation']),
        fields: z.array(z.string()).min(1),
        variables: z.record(z.string(), z.json()).default({}),
      })
      .optional(),
    body: z
      .record(z.string().regex(/^(\/.*)?$/, 'a JSON pointer is empty (the whole body) or starts with "/"'), z.json())
      .optional()
      .describe(
        'JSON pointer → value the body must hold there; "" is the whole body. A text that is only ${args.NAME} stands for the argument as it is, ${args.NAME|base64} for its UTF-8 bytes in base64; members whose argument the call lacks are left out.',
      ),
    form: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).nullable())
      .optional()
      .describe(
        'field of a form (application/x-www-form-urlencoded) → its value, with ${args.NAME}, or nothing where any will do. A field that does not stand here refuses the request.',
      ),
    headers: z
      .record(z.string().regex(/^[a-z][a-z0-9-]{0,60}$/, 'the name of a header, in lower case'), z.string().min(1).max(1000))
      .optional()
      .describe(
        'header → the value that it must have, e.g. x-amz-target: DynamoDB_20120810.GetItem; ${args.NAME} and ${args.NAME...} as in a path',
      ),
    payload: z
      .enum(['signed', 'unsigned'])
      .optional()
      .describe('AWS: unsigned lets a body travel outside of the signature, as clients stream uploads'),
    capture: z
      .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_]*$/), z.string().startsWith('/'))
      .optional()
      .describe('name → JSON pointer into the answer, for ${seen.NAME} in the paths of later requests of the same call'),
  }),
])

const scopeFields = {
  scope: scopeTemplate.optional(),
  requests: z.array(requestRule).optional(),
  ttl: duration.optional(),
  lifetime: lifetime.optional(),
}

const matcher = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number(), z.boolean()])).min(1)])
const where = z.union([z.literal('none'), z.record(z.string(), matcher)])

/** One case of a tool: when it holds, the scope and the requests it grants. */
export const toolCase = z.strictObject({
  when: z.string().optional().describe('CEL over `args`; must be true'),
  where: where.optional(),
  credential: z.literal('none').optional().describe('the tool needs no credential'),
  arguments: z
    .array(z.string())
    .optional()
    .describe('arguments that the tool has beside those named in this case; `where` may then name them'),
  resource: z.string().optional().describe('what is touched, for people: "${args.owner}/${args.repo}#${args.issue_number}"'),
  ...scopeFields,
})

export const toolRow = z.union([toolCase, z.array(toolCase).min(1)])

export const injection = z.strictObject({
  mode: z.enum(['egress', 'endpoint', 'env', 'credentials', 'header']).default('egress'),
  env: z
    .union([environmentName, z.record(environmentName, z.string())])
    .optional()
    .describe('the variable that holds the placeholder, or in mode env: variable → template over the credential, e.g. "${token}"'),
  url: z
    .record(environmentName, z.string())
    .optional()
    .describe('mode endpoint: variable → address template, e.g. GITHUB_HOST: "${endpoint}"'),
  prefix: z
    .string()
    .startsWith('/')
    .optional()
    .describe('mode endpoint: path prefix that the server adds and the upstream lacks, e.g. /api/v3'),
  header: z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'not a name of a header')
        .default('Authorization'),
      value: z
        .string()
        .min(1)
        .max(1000)
        .regex(/^[\x20-\x7e]+$/, 'a header has printable ASCII only')
        .default('Bearer ${token}'),
    })
    .optional()
    .describe('mode header: the header that carries the credential, e.g. { name: X-Api-Key, value: "${token}" }'),
})

export const server = z.strictObject({
  run: z.array(z.string().min(1)).min(1).optional().describe('command and arguments of a local server'),
  url: z.string().optional().describe('address of a remote server'),
  transport: z
    .enum(['streamable-http', 'sse'])
    .optional()
    .describe('of a remote server: streamable-http when absent; sse is the HTTP+SSE of 2024-11-05'),
  cwd: z.string().optional(),
  env: z.record(environmentName, z.string()).default({}).describe('more environment; values are not secret'),
  pass: z.array(environmentName).default([]).describe('variables of the daemon that the server may see'),
  provider: instanceName.optional(),
  preset: z.string().optional(),
  inject: injection.prefault({}),
  scope: scopeTemplate
    .optional()
    .describe('of a remote server: the scope of listed tools, resources and prompts that name none themselves'),
  where: z
    .record(z.string(), matcher, {
      error: ({ input }) =>
        input === 'none' ? '`where: none` belongs to the row of one tool (`tools.NAME.where`); a server leaves `where` out' : undefined,
    })
    .default({}),
  allow: z.array(z.string()).default([]),
  ask: z.array(z.string()).default([]),
  deny: z.array(z.string()).default([]),
  tools: z.record(z.string(), toolRow).default({}),
  resources: z.array(z.string()).default([]).describe('URIs that may be read; a trailing * matches the rest'),
  prompts: z.array(z.string()).default([]),
  sampling: z.enum(['allow', 'deny']).default('deny').describe('may it ask the client’s model?'),
  elicitation: z.enum(['allow', 'deny']).default('allow').describe('may it ask the person who uses the client?'),
  roots: z.enum(['allow', 'deny']).default('allow').describe('may it ask for the client’s folders?'),
  methods: z.array(vendorMethod).default([]).describe('methods beside MCP’s own that may pass, in both directions, e.g. acme/reindex'),
  ttl: duration.optional(),
  lifetime: lifetime.optional(),
  lanes: z.int().min(1).max(64).default(4),
  isolation: z.enum(['partition', 'none']).default('partition'),
  queueTimeout: duration.prefault('30s'),
  startup: z.strictObject({ scope: scopeTemplate, requests: z.array(requestRule).min(1).optional(), ttl: duration.optional() }).optional(),
  sandbox: z
    .enum(['on', 'off', 'auto'])
    .default('auto')
    .describe('on: refuses to start where it cannot be had; auto: uses it where it works, as `jit doctor` says'),
  readable: z
    .array(z.string().min(1))
    .default([])
    .describe('files and folders that a server in the sandbox may read, beside its own program'),
  writable: z
    .array(z.string().min(1))
    .default([])
    .describe('folders that a server in the sandbox may write to; its home and /tmp are private and go with it'),
  open: z.array(origin).default([]).describe('origins that may be reached without a credential, e.g. signed downloads'),
})

/** A provider entry; what stands beside `kind` is checked by that kind's own schema. */
export const providerEntry = z.looseObject({ kind: z.string() })

export const configSchema = z.strictObject({
  version: z.literal(1),
  providers: z.record(instanceName, providerEntry).default({}),
  servers: z.record(instanceName, server).default({}),
  ttl: duration.prefault('5m').describe('life of a lease, from its mint'),
  lifetime: lifetime.default('ttl'),
  self: z
    .enum(['off', 'read', 'propose'])
    .default('propose')
    .describe('what agents may do behind `jit connect jit`: nothing; see what they may do and why not; propose rules to a person as well'),
  approvals: z.strictObject({ timeout: duration.prefault('2m') }).prefault({}),
  audit: z
    .strictObject({
      sync: z.enum(['batch', 'each']).default('batch').describe('each: survives a power cut, about 0.15 ms a record'),
      arguments: z.enum(['full', 'digest', 'none']).default('digest'),
      meta: z
        .array(z.string().min(1).max(128))
        .max(32)
        .default([])
        .describe('keys of a call’s `_meta` that are recorded beside the trace and the ids of turns that are known'),
      segmentBytes: z
        .int()
        .min(4096)
        .default(64 * 1024 * 1024),
    })
    .prefault({}),
  http: z
    .strictObject({ port: z.int().min(0).max(65_535).describe('0: any that is free, another one at each start') })
    .optional()
    .describe('the door for MCP clients that speak HTTP, on this machine only; absent: there is none'),
  limits: z
    .strictObject({
      messageBytes: z
        .int()
        .min(1024)
        .max(64 * 1024 * 1024)
        .default(4 * 1024 * 1024)
        .describe('largest message from a client'),
      resultBytes: z
        .int()
        .min(1024)
        .max(64 * 1024 * 1024)
        .default(64 * 1024 * 1024)
        .describe('largest message from a server'),
      depth: z.int().min(4).max(512).default(64),
      keys: z.int().min(16).default(10_000),
    })
    .prefault({}),
  network: z
    .strictObject({
      hosts: z.record(z.string(), z.string()).default({}).describe('where a name is dialled: host → address[:port], like a hosts file'),
      ca: z.array(z.string()).default([]).describe('PEM files of authorities trusted beside the public ones, for upstreams'),
      timeout: duration.prefault('30s'),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      endpoint: origin.optional().describe('OpenTelemetry collector that takes OTLP over HTTP: its address, to which /v1/traces is added'),
    })
    .prefault({}),
})

export type Config = z.output<typeof configSchema>
export type ServerConfig = z.output<typeof server>
export type ToolCase = z.output<typeof toolCase>
export type RequestRuleConfig = z.output<typeof requestRule>
export type Injection = z.output<typeof injection>

/** `config/presets/<name>.yaml`: what is known of one server program. */
export const presetSchema = z.strictObject({
  preset: z.string(),
  description: z.string(),
  provider: z.string().describe('kind of provider it is written for'),
  source: z.string().describe('where the facts come from'),
  inject: injection.optional(),
  tools: z.record(z.string(), toolRow),
})

export type Preset = z.output<typeof presetSchema>
