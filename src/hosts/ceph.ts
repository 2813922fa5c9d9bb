import { setTimeout as sleep } from 'node:timers/promises'
import type { LeaseRecord } from '../ring/lease-types.ts'
import { runCommand } from './command.ts'

/** How {@link fenceByCeph} reaches the cluster. */
export interface CephFenceOptions {
  /** The program and arguments that all its calls need, such as `['ceph', '--conf', path]`. Default `['ceph']`. */
  readonly ceph?: readonly string[]
  /**
   * The holder's client address, as `rbd status` shows its watchers: `10.0.0.7:0/1234567`, or `10.0.0.7:0/0` for all clients of
   * that host. Default: the last word of the lease's `owner`.
   */
  readonly addressOf?: (holder: LeaseRecord) => string
  /** How long the address stays shut out, in seconds. Default 86,400. */
  readonly seconds?: number
  /** How long all of it may take, in milliseconds. Default 60,000. */
  readonly limitMs?: number
}

const SECONDS = 86_400
const LIMIT_MS = 60_000
const POLL_MS = 200
const ADDRESS = /^[0-9A-Za-z.:[\]/]+$/

/**
 * A fence for images of Ceph: adds the holder's client to the blocklist, and waits until every OSD that is up knows, because
 * one that does not would still take a late write.
 */
export function fenceByCeph(
  options: CephFenceOptions = {},
): (holder: LeaseRecord) => Promise<void> {
  const { ceph = ['ceph'], seconds = SECONDS, limitMs = LIMIT_MS } = options
  const addressOf = options.addressOf ?? lastWord
  return async (holder) => {
    const deadline = performance.now() + limitMs
    const call = (...args: string[]): Promise<string> =>
      runCommand([...ceph, ...args], {
        limitMs: Math.max(1, Math.ceil(deadline - performance.now())),
      })
    const address = addressOf(holder)
    if (!ADDRESS.test(address)) throw new Error(`${JSON.stringify(address)} is no client address`)
    await call('osd', 'blocklist', 'add', address, String(seconds))
    const { epoch, osds } = parse(await call('osd', 'dump', '--format', 'json'), isOsdMap)
    for (const { osd, up } of osds) {
      if (up !== 1) continue
      while (!(await knows(call, osd, epoch))) {
        if (performance.now() > deadline) throw new Error(`osd.${osd} does not know of it yet`)
        await sleep(POLL_MS)
      }
    }
  }
}

/** Whether an OSD has the map of an epoch. */
async function knows(
  call: (...args: string[]) => Promise<string>,
  osd: number,
  epoch: number,
): Promise<boolean> {
  const answer = await call('tell', `osd.${osd}`, 'status', '--format', 'json')
  return parse(answer, isOsdStatus).newest_map >= epoch
}

function lastWord({ owner }: LeaseRecord): string {
  return owner.trim().split(/\s+/).at(-1) ?? ''
}

interface OsdMap {
  readonly epoch: number
  readonly osds: readonly { readonly osd: number; readonly up: number }[]
}

function isOsdMap(value: object): value is OsdMap {
  return (
    'epoch' in value &&
    typeof value.epoch === 'number' &&
    'osds' in value &&
    Array.isArray(value.osds)
  )
}

interface OsdStatus {
  readonly newest_map: number
}

function isOsdStatus(value: object): value is OsdStatus {
  return 'newest_map' in value && typeof value.newest_map === 'number'
}

function parse<T>(text: string, is: (value: object) => value is T & object): T {
  const value: unknown = JSON.parse(text)
  if (typeof value === 'object' && value !== null && is(value)) return value
  throw new Error(`ceph answered something else than expected: ${text.slice(0, 200)}`)
}
