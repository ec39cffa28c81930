import type { Program } from '../pipe.ts'

/** Where a client under test finds its server: at an address, or behind a program. */
export type Door = ({ readonly url: string } | { readonly program: Program }) & { close(): Promise<void> }

export interface LoginRequest {
  readonly home: string
  /** Name of the server in the config of that home. */
  readonly server: string
  readonly url: string
  /** What the suite says beside the address: client ids, secrets, keys. */
  readonly context: unknown
}

/** Gets a login for a remote server, with no person and no browser. */
export type Login = (request: LoginRequest) => Promise<void>

/** The name of the suite's server in the config. */
export const server = 'suite'

const tools = [
  'add_numbers',
  'test_client_elicitation_defaults',
  'test_reconnection',
  'test_mrtr_echo_state',
  'test_mrtr_no_state',
  'test_mrtr_unrelated',
  'test_mrtr_no_result_type',
  'test_headers',
  'test_custom_headers',
  'test_custom_headers_null',
  'valid_tool',
  'lookup_user',
  'test-tool',
]

/** Lines of a config for the suite's server, which names itself `localhost` and speaks clear text. */
export function remoteServer(url: string): [servers: readonly string[], rest: readonly string[]] {
  const { host, port } = new URL(url)
  return [
    [`${server}:`, `  url: ${JSON.stringify(url)}`, `  allow: ${JSON.stringify(tools)}`, '  prompts: [test_prompt]', '  resources: ["*"]'],
    [`network: { hosts: { ${JSON.stringify(host)}: "127.0.0.1:${port}" } }`],
  ]
}
