import { z } from 'zod'

/** What an error of the AWS SDK says. */
export interface Failure {
  /** AWS's own word for it, e.g. `AccessDenied`; empty when there is none. */
  readonly code: string
  readonly message: string
  /** Status of the answer; undefined when there was none. */
  readonly status: number | undefined
  readonly throttled: boolean
  /** Milliseconds. */
  readonly retryAfter: number | undefined
}

const sdkError = z.object({
  name: z.string().catch(''),
  Code: z.string().optional().catch(undefined),
  message: z.string().catch(''),
  $metadata: z.object({ httpStatusCode: z.number().optional() }).optional().catch(undefined),
  $response: z
    .object({ statusCode: z.number().optional(), headers: z.record(z.string(), z.string()).optional() })
    .optional()
    .catch(undefined),
})
const throttling = /^(Throttling|ThrottlingException|ThrottledException|RequestThrottled|RequestLimitExceeded|TooManyRequests(Exception)?)$/

export function failureOf(error: unknown): Failure {
  const parsed = sdkError.safeParse(error)
  if (!parsed.success) return { code: '', message: String(error), status: undefined, throttled: false, retryAfter: undefined }
  const { name, Code, message, $metadata, $response } = parsed.data
  return failure(Code ?? name, message, $metadata?.httpStatusCode ?? $response?.statusCode, $response?.headers?.['retry-after'])
}

export function failure(code: string, message: string, status: number | undefined, retryAfter: string | null | undefined): Failure {
  const seconds = Number(retryAfter ?? Number.NaN)
  return {
    code,
    message,
    status,
    throttled: status === 429 || throttling.test(code),
    retryAfter: Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : undefined,
  }
}
