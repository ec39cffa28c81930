import nock from 'nock'

/**
 * Answers that a stand-in would not give. Fails on a request that nothing expects, and on an expectation that nothing used;
 * call `done()` at the end of the test.
 */
export function expectRequests(origin: string): {
  on(method: string, path: string, status: number, body?: nock.Body, headers?: Record<string, string>): void
  done(): void
} {
  nock.disableNetConnect()
  const scope = nock(origin)
  return {
    on: (method, path, status, body, headers) => void scope.intercept(path, method).reply(status, body, headers),
    done() {
      const unused = scope.pendingMocks()
      nock.cleanAll()
      nock.restore()
      nock.activate()
      nock.enableNetConnect()
      if (unused.length > 0) throw new Error(`expected and not asked: ${unused.join(', ')}`)
    },
  }
}
