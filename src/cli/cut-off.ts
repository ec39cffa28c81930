import type { TrailRecord } from './trail.ts'

/**
 * Calls that a daemon began and did not live to end: the trail has their intent and no closing record. Given record after record;
 * answers them where the next daemon starts, as lines for people, so that none is passed over.
 */
export function cutOffCalls(): (record: TrailRecord) => TrailRecord[] {
  const open = new Map<string, TrailRecord>()
  return (record) => {
    const { type, call = '' } = record
    if (type === 'call.intent') open.set(call, record)
    if (type === 'call.close') open.delete(call)
    if (type !== 'daemon.started') return []
    const message = 'the daemon ended while it ran; whether it took effect is not known'
    const found = [...open.values()].map((intent) => ({ ...intent, type: 'call.close', result: 'unknown', error: { message } }))
    open.clear()
    return found
  }
}
