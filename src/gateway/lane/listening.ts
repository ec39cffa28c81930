import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Lane } from './lane.ts'

export interface ListeningOptions {
  /** The first lane, once there is one. */
  readonly first: Lane | undefined
  resourceVisible(uri: string): boolean
  /** The lane of a task of this connection. */
  laneOf(task: string): Lane | undefined
}

/**
 * What is left of a `subscriptions/listen` (2026-07-28) when hidden resources and the tasks of others are taken out of it, and the
 * lane that it goes to; undefined: the first. Tasks of other lanes are left out too, as the protocol lets a server do: what it
 * listens to is what is acknowledged, and clients ask for the others. Answers the params themselves when all may stay.
 */
export function listening(
  params: JsonObject,
  { first, resourceVisible, laneOf }: ListeningOptions,
): { params: JsonObject; lane: Lane | undefined } {
  const { notifications: wanted } = params
  if (!isJsonObject(wanted)) return { params, lane: undefined }
  const { resourceSubscriptions: uris, taskIds: ids } = wanted
  const kept = texts(uris).filter(resourceVisible)
  const lanes = new Set(texts(ids).flatMap((id) => laneOf(id) ?? []))
  const others = Object.entries(wanted).some(([key, value]) => key !== 'taskIds' && value !== false && JSON.stringify(value) !== '[]')
  // With anything else it is the first lane's; a lane that only has the tasks is asked when it is for tasks alone.
  const [only] = others ? [] : lanes
  const heard = texts(ids).filter((id) => laneOf(id) !== undefined && laneOf(id) === (only ?? first))
  const same = kept.length === count(uris) && heard.length === count(ids)
  if (same) return { params, lane: only }
  const notifications: Readonly<Record<string, Json>> = {
    ...wanted,
    ...(uris === undefined ? {} : { resourceSubscriptions: kept }),
    ...(ids === undefined ? {} : { taskIds: heard }),
  }
  return { params: { ...params, notifications }, lane: only }
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : []
}

/** Of what is no list nothing is kept. */
function count(value: unknown): number {
  return value === undefined ? 0 : Array.isArray(value) ? value.length : -1
}
