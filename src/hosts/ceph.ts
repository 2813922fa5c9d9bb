import { BlockList, isIP, isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { LeaseRecord } from '../ring/lease-types.ts'
import { checkWhole } from '../util/numbers.ts'
import { checkOptions, type OptionKinds, shown } from '../util/options.ts'
import { checkLimit } from './command.ts'
import { runCommand } from './run-command.ts'

/** Options of {@link fenceByCeph}. */
export interface CephFenceOptions {
  /** The program and arguments that every call needs, such as `['ceph', '--conf', path]`. Default `['ceph']`. */
  readonly ceph?: readonly string[]
  /**
   * The holder's client address, as `rbd status` shows its watchers: `10.0.0.7:0/1234567`, or `10.0.0.7:0/0` for all
   * clients of that host. Default: the last word of the lease's `owner`.
   */
  readonly addressOf?: (holder: LeaseRecord) => string
  /**
   * IP addresses and networks (`10.0.0.7`, `10.0.0.0/24`, `2001:db8::/64`) of the hosts that may be shut out. Default:
   * all, which lets any program that can write to the device shut out any client of the cluster.
   */
  readonly allow?: readonly string[]
  /** Time for which the address remains shut out, in seconds. Default 86,400. */
  readonly blockSeconds?: number
  /** Time limit for the whole fence, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number
}

const KINDS: OptionKinds<CephFenceOptions> = {
  ceph: 'object',
  addressOf: 'function',
  allow: 'object',
  blockSeconds: 'number',
  timeoutMs: 'number',
}

const SECONDS = 86_400
const POLL_MS = 200
/** The map of a large cluster has megabytes. */
const KEPT_BYTES = 64 << 20
/** `10.0.0.7:0/3141592` or `[2001:db8::7]:0/3141592`. */
const ADDRESS = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})\/(\d{1,10})$/i

/**
 * A fence for Ceph images. It adds the holder's client to the blocklist, and waits until every running OSD has it,
 * because an OSD without it would still accept a late write.
 * @throws {TypeError} an option is unknown or has the wrong type
 * @throws {RangeError} `timeoutMs` or `blockSeconds` is out of range, or `allow` has an invalid address
 */
export function fenceByCeph(
  options: CephFenceOptions = {},
): (holder: LeaseRecord) => Promise<void> {
  checkOptions('fenceByCeph', options, KINDS)
  const { ceph = ['ceph'], blockSeconds: seconds = SECONDS, addressOf = lastWord } = options
  const limitMs = checkLimit(options.timeoutMs)
  checkWhole({ blockSeconds: seconds }, 1)
  const allowed = options.allow && networksOf(options.allow)
  return async (holder) => {
    const deadline = performance.now() + limitMs
    const call = (...args: string[]): Promise<string> =>
      runCommand([...ceph, ...args], {
        limitMs: Math.max(1, Math.ceil(deadline - performance.now())),
        keepBytes: KEPT_BYTES,
      })
    const address = checkAddress(addressOf(holder), allowed)
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

/** @throws {RangeError} an entry is neither an IP address nor a network */
function networksOf(allow: readonly string[]): BlockList {
  const list = new BlockList()
  for (const entry of allow) {
    const [, ip = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(entry) ?? []
    const most = isIPv6(ip) ? 128 : 32
    if (isIP(ip) === 0 || Number(bits ?? most) > most) {
      throw new RangeError(`allow has IP addresses and networks, not ${shown(entry)}`)
    }
    list.addSubnet(ip, Number(bits ?? most), familyOf(ip))
  }
  return list
}

function familyOf(ip: string): 'ipv4' | 'ipv6' {
  return isIPv6(ip) ? 'ipv6' : 'ipv4'
}

/** @throws {Error} it is not a client's address, or not of a host that may be shut out */
function checkAddress(address: string, allowed: BlockList | undefined): string {
  const [, v6, v4, port, nonce] = ADDRESS.exec(address) ?? []
  const isOne = v6 === undefined ? isIP(v4 ?? '') === 4 : isIPv6(v6)
  if (!isOne || Number(port) > 65_535 || Number(nonce) > 0xff_ff_ff_ff) {
    const expected = 'one client address, such as 10.0.0.7:0/3141592 or [2001:db8::7]:0/3141592'
    throw new Error(`expected ${expected}, found ${JSON.stringify(address)}; no host was shut out`)
  }
  const ip = v6 ?? v4 ?? ''
  if (allowed?.check(ip, familyOf(ip)) === false) {
    throw new Error(`${ip} is not among the hosts that may be shut out; no host was`)
  }
  return address
}

/** True if an OSD has the map of an epoch. */
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
  throw new Error(`unexpected output of ceph: ${text.slice(0, 200)}`)
}
