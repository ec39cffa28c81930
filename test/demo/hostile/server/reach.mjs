import { createSocket } from 'node:dgram'
import { readlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { connect as connectTls } from 'node:tls'

const patience = 5000
/** Connections that it keeps from one call to a later one. @type {import('node:stream').Duplex[]} */
const kept = []

/** A request of Node's own client, which follows redirects. @param {Record<string, any>} act */
export async function web({ url, method = 'GET', headers = {}, body = undefined }) {
  const filled = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, fill(String(value))]))
  const response = await fetch(fill(url), {
    method,
    headers: { authorization: `Bearer ${fill('{placeholder}')}`, ...filled },
    ...(body === undefined ? {} : { body: fill(body) }),
    signal: AbortSignal.timeout(patience),
  })
  const bytes = Buffer.from(await response.arrayBuffer())
  return { status: response.status, headers: Object.fromEntries(response.headers), body: bytes.toString('latin1') }
}

/**
 * Bytes of its own making: to the broker's listener (`clear`), or through a tunnel to `connect` with `name` in the handshake.
 * @param {Record<string, any>} act
 */
export async function raw({ clear = undefined, connect: target = undefined, nonce = undefined, name = undefined, text = '' }) {
  const socket = await toProxy()
  if (clear !== undefined) return { answer: await exchange(socket, fill(clear)) }
  const head = await openTunnel(socket, target, nonce)
  if (!head.startsWith('HTTP/1.1 200')) return { answer: head }
  return { answer: await exchange(await handshake(socket, name), fill(text)) }
}

/** A tunnel that is opened in one call and used in a later one. @param {Record<string, any>} act */
export async function hold({ connect: target, name, text = undefined }) {
  const tunnel = text === undefined ? undefined : kept.pop()
  if (tunnel !== undefined) return { answer: await exchange(tunnel, fill(text)) }
  const socket = await toProxy()
  await openTunnel(socket, target, undefined)
  kept.push(await handshake(socket, name))
  return { kept: kept.length }
}

/**
 * Connects to an address by itself. Off loopback only where nothing can leave: in another network than the machine's, and one
 * that has a loopback and nothing else.
 * @param {Record<string, any>} act
 */
export async function dial({ host, port, udp = false, machine }) {
  const alone = Object.keys(networkInterfaces()).join() === 'lo' && readlinkSync('/proc/self/ns/net') !== machine
  if (host !== '127.0.0.1' && !alone) return { untried: 'this network is the machine’s own' }
  return new Promise((resolve) => {
    const end = (/** @type {Error | undefined} */ error) =>
      resolve(error === undefined ? { reached: true } : { error: Reflect.get(error, 'code') ?? String(error) })
    if (udp) {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
      socket.once('error', end)
      socket.send('x', port, host, (error) => (socket.close(), end(error ?? undefined)))
      return
    }
    const socket = connect({ host, port, timeout: patience })
    socket.once('error', end).once('timeout', () => (socket.destroy(), end(new Error('no answer'))))
    socket.once('connect', () => (socket.destroy(), end(undefined)))
  })
}

/** @param {Record<string, any>} act */
export async function unixSocket({ path, text }) {
  const socket = connect(path)
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
  return { answer: await exchange(socket, text) }
}

function toProxy() {
  const socket = connect(Number(new URL(process.env['HTTPS_PROXY'] ?? '').port), '127.0.0.1')
  return new Promise((resolve, reject) => socket.once('connect', () => resolve(socket)).once('error', reject))
}

/**
 * @param {any} socket
 * @param {string} target
 * @param {string | undefined} nonce
 * @returns {Promise<string>} the head of the answer
 */
function openTunnel(socket, target, nonce) {
  const { username, password } = new URL(process.env['HTTPS_PROXY'] ?? '')
  const shown = Buffer.from(nonce ?? `${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  return new Promise((resolve, reject) => {
    let head = ''
    const hear = (/** @type {Buffer} */ part) => {
      head += part.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', hear).pause()
      resolve(head)
    }
    socket
      .on('data', hear)
      .once('error', reject)
      .once('close', () => resolve(head))
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Basic ${shown}\r\n\r\n`)
  })
}

/**
 * @param {any} socket
 * @param {string} name
 */
function handshake(socket, name) {
  const tls = connectTls({ socket, servername: name, rejectUnauthorized: false })
  return new Promise((resolve, reject) => tls.once('secureConnect', () => resolve(tls)).once('error', reject))
}

/**
 * All that the other end says, until it ends, is silent for a while, or for too long.
 * @param {any} socket
 * @param {string} text
 */
function exchange(socket, text) {
  return new Promise((resolve) => {
    let heard = ''
    let quiet = setTimeout(() => end(), patience)
    const end = () => {
      clearTimeout(quiet)
      socket.destroy()
      resolve(heard)
    }
    socket.on('data', (/** @type {Buffer} */ part) => {
      heard += part.toString('latin1')
      clearTimeout(quiet)
      quiet = setTimeout(end, 300)
    })
    socket.once('error', end).once('close', end)
    socket.write(text)
  })
}

/** @param {string} text */
function fill(text) {
  return text.replaceAll('{placeholder}', process.env['API_TOKEN'] ?? '')
}
