/**
 * A peer of jit's egress in a process of its own: it terminates TLS, and puts the token where the placeholder stands.
 * `egress-peer.mjs NAME MODULE FOLDER TOKEN PORT`
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [, , name = '', module = '', folder = '', token = '', port = '0'] = process.argv
/** A stranger's package, which is not installed where types are checked. */
const peer = await import(pathToFileURL(module).href)
const authorization = `Bearer ${token}`

if (name === 'mockttp') {
  const mockttp = peer.default ?? peer
  const authority = await mockttp.generateCACertificate()
  const ca = join(folder, 'mockttp.pem')
  writeFileSync(ca, authority.cert)
  const server = mockttp.getLocal({ https: authority, recordTraffic: false })
  await server.start()
  await server.forAnyRequest().thenPassThrough({
    ignoreHostHttpsErrors: ['localhost'],
    beforeRequest: (/** @type {{ headers: Record<string, string> }} */ { headers }) => ({ headers: { ...headers, authorization } }),
  })
  console.log(JSON.stringify({ proxy: `http://127.0.0.1:${server.port}`, ca }))
} else {
  const proxy = new peer.Proxy()
  proxy.onError(() => undefined)
  proxy.onRequest((/** @type {any} */ context, /** @type {() => void} */ next) => {
    context.proxyToServerRequestOptions.headers.authorization = authorization
    next()
  })
  const sslCaDir = join(folder, 'http-mitm-proxy')
  proxy.listen({ host: '127.0.0.1', port: Number(port), sslCaDir, keepAlive: true }, () =>
    console.log(JSON.stringify({ proxy: `http://127.0.0.1:${port}`, ca: join(sslCaDir, 'certs/ca.pem') })),
  )
}
