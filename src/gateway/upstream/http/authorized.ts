import type { UpstreamRequest } from '../../../audit/event.ts'
import type { Lease } from '../../../broker/types.ts'
import { withCredential } from '../../inject/header.ts'
import type { RemoteOptions } from './options.ts'
import { HttpRequest, type RequestOptions } from './request.ts'

export interface AuthorizedOptions extends Omit<RequestOptions, 'network' | 'clock'> {
  /** Whose credential it carries; undefined: none. */
  readonly lease: Lease | undefined
  /** The trail: once for each request with a credential; status 0: nothing came of it. */
  report(request: UpstreamRequest): void
}

/** One HTTP request to a remote server, with the credential that it is given and the record of what became of it. */
export class AuthorizedRequest {
  readonly #http: HttpRequest
  #report: ((status: number, requestId: string) => void) | undefined

  /** Throws JitError `server.unauthorized` for a credential that no header carries, and the lease's reason when it is over. */
  constructor({ inject, network, clock, scrub }: RemoteOptions, { lease, report, ...asked }: AuthorizedOptions) {
    lease?.signal.throwIfAborted()
    const headers = lease === undefined ? asked.headers : withCredential(asked.headers, inject, lease)
    const { method, url } = asked
    const started = clock.monotonic()
    if (lease !== undefined)
      this.#report = (status, requestId) =>
        // A path that the server chose (HTTP+SSE) may repeat what it was shown.
        report({ method, url: scrub(`${url.origin}${url.pathname}`), status, requestId, took: clock.monotonic() - started })
    this.#http = new HttpRequest({
      ...asked,
      network,
      clock,
      headers,
      onHead: (response) => {
        this.#told(response.statusCode ?? 0, scrub(requestIdOf(response.headers)).slice(0, 200))
        asked.onHead(response)
      },
      onError: (error) => {
        this.#told(0, '')
        asked.onError(error)
      },
    })
  }

  /** Nobody waits for it any more: what has not come by now is on record as nothing. */
  giveUp(): void {
    this.#told(0, '')
  }

  /** Ends it, with its answer. */
  destroy(): void {
    this.#told(0, '')
    this.#http.destroy()
  }

  #told(status: number, requestId: string): void {
    const report = this.#report
    this.#report = undefined
    report?.(status, requestId)
  }
}

/** It goes into the trail: a server that echoes what it got must not put it there, so it is scrubbed. */
function requestIdOf(headers: Readonly<Record<string, unknown>>): string {
  const found = headers['x-request-id'] ?? headers['x-github-request-id']
  return typeof found === 'string' ? found : ''
}
