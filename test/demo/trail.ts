import { z } from 'zod'
import { runJit } from '../support/command.ts'

const record = z.looseObject({
  seq: z.number(),
  type: z.string(),
  time: z.string(),
  hash: z.string(),
  call: z.string().optional(),
  server: z.string().optional(),
  tool: z.string().optional(),
  resource: z.string().optional(),
  result: z.string().optional(),
  reason: z.string().optional(),
  scope: z.record(z.string(), z.json()).optional(),
  decision: z.looseObject({ effect: z.string(), rule: z.looseObject({ path: z.string() }), reason: z.string().optional() }).optional(),
  lease: z.looseObject({ id: z.string(), token: z.string().optional(), upstreamHash: z.string().optional() }).optional(),
  requests: z
    .array(z.object({ method: z.string(), url: z.string(), status: z.number(), requestId: z.string(), took: z.number() }))
    .optional(),
  request: z.object({ method: z.string(), origin: z.string(), path: z.string() }).optional(),
  took: z.number().optional(),
})

export type TrailRecord = z.infer<typeof record>

/** The whole trail as `jit audit --json` prints it, oldest first. */
export async function readRecords(home: string): Promise<TrailRecord[]> {
  const result = await runJit(home, ['audit', '--json'])
  if (result.code !== 0) throw new Error(result.stderr.trim())
  return result.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => record.parse(JSON.parse(line)))
}

/** The newest closing record of a server's calls. */
export async function lastCall(home: string, server: string): Promise<TrailRecord> {
  const found = (await readRecords(home)).findLast((entry) => entry.type === 'call.close' && entry.server === server)
  if (!found) throw new Error(`no call of ${server} in the trail`)
  return found
}
