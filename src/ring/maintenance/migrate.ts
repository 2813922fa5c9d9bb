import { checkCall, checkDevice } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { crc32c } from '../../checksum/crc32c.ts'
import { RingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import type { OptionKinds } from '../../util/options.ts'
import { Consumer } from '../access/attach.ts'
import { whoHolds } from '../access/holders.ts'
import { inspectRing } from '../access/inspect.ts'
import { recordBytes } from '../format1/layout.ts'
import type { RingInspection } from '../inspection.ts'
import { RingWriter } from '../queue/writer.ts'
import { skipDamageOf } from '../shared/damage.ts'
import { totalBytes } from '../shared/item-limits.ts'
import type { PopManyOptions } from '../types.ts'
import { keepTime, popTimed, type TimedItems } from './item-times.ts'

/** The name of the queue in the new ring's producer slot, during and after the migration. */
const QUEUE = 'migration'
const BATCH = { maxItems: 1000, maxBytes: 1 << 20 } as const
/** Items pushed within this many milliseconds share a commit in the new ring, and the time of the first. */
const SAME_TIME_MS = 1000

/** Options of a migration. */
export interface MigrateOptions {
  /** Keep the items in the old ring. Default false: they are acknowledged once all are in the new one. */
  readonly keep?: boolean
  /**
   * Add to a ring that has, or had, other items, or those of an earlier migration. Default false, because items that
   * others pushed hide the progress of an earlier call, whose items would then be duplicated.
   */
  readonly add?: boolean
  /** The treatment of damage in the old ring, as for a consumer. Default `stop`. With `skip`, losses are counted. */
  readonly onDamage?: 'stop' | 'skip'
  /** The largest item to move, in bytes, as for a consumer. Default 16 MiB. */
  readonly maxItemBytes?: number
  /** Called repeatedly while the new ring is full or suspended. */
  readonly onBlocked?: () => void
  /** Called after each commit. */
  readonly onProgress?: (moved: Migrated) => void
  /** Ends the migration between two batches. Another call continues there. */
  readonly signal?: AbortSignal
}

const KINDS: OptionKinds<MigrateOptions> = {
  keep: 'boolean',
  add: 'boolean',
  onDamage: { oneOf: ['stop', 'skip'] },
  maxItemBytes: 'number',
  onBlocked: 'function',
  onProgress: 'function',
  signal: 'signal',
}

/** The counts of a migration. */
export interface Migrated {
  /** Items that this call moved. */
  readonly items: number
  /** Bytes of these items. */
  readonly bytes: number
  /** Items that an earlier, interrupted call moved. */
  readonly movedBefore: number
  /** Items of the old ring that were damaged, and are not in the new one. */
  readonly damagedItems: number
  /** Items that the old ring's producer overwrote before they could be moved. */
  readonly missedItems: number
}

/** The counts while they grow. */
type Moving = { -readonly [Field in keyof Migrated]: Migrated[Field] }

/**
 * Moves all items of a ring to another, existing one: to another format, size or device. Takes the consumer's role of
 * the old ring and the producer's role of the new one.
 *
 * The old ring's items are acknowledged only once all of them are on stable storage in the new one, so an interrupted
 * call loses nothing. Another call continues, and moves no item twice, unless other programs pushed to the new ring
 * meanwhile. Items pushed to the old ring meanwhile are moved too: suspend it first, or move its producer afterwards
 * and call again with `add`.
 *
 * Items keep their push time to the second; those of one second may share a commit, with the time of the first. Format
 * 1 records no times. A ring that overwrites its oldest items is acknowledged batch by batch, and an interrupted call
 * may have moved the last batch twice.
 * @throws {TypeError} an option is out of range; or both are one ring, under whatever names, which has lost nothing
 * @throws {RingError} `RING_NOT_BLANK`: the new ring has items of its own, or of another old ring;
 *   `RING_ITEM_TOO_LARGE`: an item does not fit it; and as `Consumer.attach` and `Producer.attach`
 * @throws the signal's reason
 */
export async function migrateRing(
  from: BlockDevice,
  to: BlockDevice,
  options: MigrateOptions = {},
): Promise<Migrated> {
  checkDevice('migrateRing', from)
  checkCall('migrateRing', to, options, KINDS)
  if (from === to) throw oneRing(from, to)
  const { keep = false, onDamage = 'stop', maxItemBytes, onProgress, onBlocked, signal } = options
  const waiting = signal === undefined ? {} : { signal }
  const limit = maxItemBytes === undefined ? {} : { maxItemBytes }
  await using consumer = await Consumer.attach(from, { queue: QUEUE, ...limit, ...waiting })
  const overwrites = consumer.onFull === 'overwrite'
  const old = await inspectRing(from, waiting)
  const identity = await identityOf(old, consumer)
  const plan = planOf({ ...old, identity }, await inspectRing(to, waiting), to.name, options)
  const moved: Moving = { items: 0, bytes: 0, movedBefore: 0, damagedItems: 0, missedItems: 0 }
  if (plan === undefined) return moved
  const { base, start } = plan
  const blocking = onBlocked === undefined ? {} : { onBlocked }
  // A slot of format 2 has room for 46 bytes of it.
  const client = `${base} from ${start} of ${identity} ${hexOf(crypto.getRandomValues(new Uint16Array(1))[0] ?? 0, 4)}`
  const names = { queue: QUEUE, client }
  const writer = await RingWriter.open(to, { ...names, ...limit, ...waiting, ...blocking })
  try {
    await checkNotOne(from, to, client)
    let { skip } = plan
    let { position } = consumer
    for (;;) {
      signal?.throwIfAborted()
      const popped = await popBatch(
        consumer,
        { from: position, ...BATCH, ...waiting },
        onDamage,
        moved,
      )
      position = popped.position
      if (popped.runs.length === 0) break
      for (const { items, time } of popped.runs) {
        const rest: Uint8Array[] = []
        for (const { item } of items) {
          if (skip <= 0n) rest.push(item)
          else moved.movedBefore++
          if (skip > 0n) skip -= plan.counts ? 1n : BigInt(recordBytes(item.length))
        }
        if (rest.length > 0) {
          keepTime(writer.producer, time)
          await writer.pushMany(rest, waiting)
          if (moved.items === 0) await checkNotOne(from, to, client)
        }
        moved.items += rest.length
        moved.bytes += totalBytes(rest)
        onProgress?.({ ...moved })
      }
      // These items may be overwritten any time, so the rest could no longer be told from what was moved.
      if (overwrites && !keep) await consumer.advance(position)
    }
    if (!keep) await consumer.advance(position)
    return moved
  } finally {
    await writer.close()
  }
}

/**
 * Checks that the two are different rings. The new ring has this client in its claim, and in its producer's text: at
 * once in format 2, with the first push in format 1.
 * @throws {TypeError} the client appears in the old one
 */
async function checkNotOne(from: BlockDevice, to: BlockDevice, client: string): Promise<void> {
  const holder = from.capabilities.claim ? (await whoHolds(from)).producer?.holder : undefined
  const { producer } = await inspectRing(from)
  if (holder?.includes(client) || producer.text.includes(client)) throw oneRing(from, to)
}

function oneRing(from: BlockDevice, to: BlockDevice): TypeError {
  return new TypeError(`${from.name} and ${to.name} are one ring, which cannot be moved to itself`)
}

/** Pops the next items, none at the end, with the position after them. Items that are lost are counted. */
async function popBatch(
  consumer: Consumer,
  wanted: PopManyOptions & { readonly from: Position },
  onDamage: 'stop' | 'skip',
  moved: Moving,
): Promise<{ readonly runs: readonly TimedItems[]; readonly position: Position }> {
  for (let position = wanted.from; ; ) {
    try {
      const runs = together(await popTimed(consumer, { ...wanted, from: position }))
      for (const { missed = 0 } of runs.flatMap(({ items }) => items)) moved.missedItems += missed
      return { runs, position: runs.at(-1)?.items.at(-1)?.position ?? position }
    } catch (error) {
      if (onDamage === 'stop') throw error
      // A consumer that skips does not report how much.
      const damage = skipDamageOf(error)
      moved.damagedItems += damage.items
      moved.missedItems += damage.missed
      position = damage.position
    }
  }
}

/** Joins items pushed at about the same time: a commit for each batch of the old ring would cost time and space. */
function together(runs: readonly TimedItems[]): readonly TimedItems[] {
  const joined: TimedItems[] = []
  for (const { items, time } of runs) {
    const last = joined.at(-1)
    const later = (time ?? 0) - (last?.time ?? 0)
    if (last !== undefined && later >= 0 && later < SAME_TIME_MS) {
      joined[joined.length - 1] = { ...last, items: [...last.items, ...items] }
    } else joined.push({ items, time })
  }
  return joined
}

/**
 * Distinguishes the old ring from others while nothing is acknowledged in it, because most begin at the same offset. A
 * ring of format 1 has no identity, but a first item.
 */
async function identityOf(
  { ring, sizeSectors, sectorSize }: RingInspection,
  consumer: Consumer,
): Promise<string> {
  const text = new TextEncoder().encode(ring?.uuid ?? `${sizeSectors} ${sectorSize}`)
  if (ring !== undefined) return hexOf(crc32c(text), 8)
  const { position } = consumer
  const [first] = await consumer.popMany({ from: position, ...BATCH, maxItems: 1 })
  return hexOf(crc32c(first?.item ?? new Uint8Array(0), crc32c(text)), 8)
}

function hexOf(number: number, digits: number): string {
  return number.toString(16).padStart(digits, '0')
}

/** The start of a migration, and its progress. */
interface Plan {
  /** Items pushed to the new ring when the migration began. */
  readonly base: bigint
  /** Items acknowledged in the old ring then. */
  readonly start: bigint
  /** The part of the old ring that is in the new one already. */
  readonly skip: bigint
  /** True if these count items, false if they count bytes of records (format 1). */
  readonly counts: boolean
}

/**
 * Records both starting positions in the new ring's producer slot before the first item is pushed. What was pushed
 * since is what was moved.
 * @returns undefined if there is nothing to do
 */
function planOf(
  old: RingInspection & { readonly identity: string },
  fresh: RingInspection,
  device: string,
  options: MigrateOptions,
): Plan | undefined {
  const start = BigInt(old.stats?.acknowledgedItems ?? old.consumer.position)
  const pushed = BigInt(fresh.stats?.committedItems ?? fresh.producer.position)
  const counts = fresh.stats !== undefined
  const last = begunBy(fresh.producer.text)
  const begun = last?.identity === old.identity ? last : undefined
  if (old.ring?.onFull === 'overwrite' && begun !== undefined && options.keep !== true) {
    return { base: pushed, start, skip: 0n, counts }
  }
  if (begun?.start === start && begun.base <= pushed) {
    return { base: begun.base, start, skip: pushed - begun.base, counts }
  }
  if (pushed > 0n && options.add !== true) {
    if (last !== undefined && old.usedBytes === 0) return undefined
    throw new RingError(
      'RING_NOT_BLANK',
      `${device} has been pushed items other than those of this migration; nothing was moved. What an earlier call ` +
        'has moved there would be there twice: if that is impossible, add to it on purpose',
      { device, expected: 'a ring without items, or a migration to continue', found: 'items' },
    )
  }
  return { base: pushed, start, skip: 0n, counts }
}

/** The migration that a producer's text records. */
interface Begun extends Pick<Plan, 'base' | 'start'> {
  readonly identity: string
}

function begunBy(text: string): Begun | undefined {
  const pattern = new RegExp(`\\b${QUEUE}\\b.*\\b(\\d+) from (\\d+) of ([0-9a-f]{8})\\b`)
  const [, base, start, identity] = pattern.exec(text) ?? []
  if (base === undefined || start === undefined || identity === undefined) return undefined
  return { base: BigInt(base), start: BigInt(start), identity }
}
