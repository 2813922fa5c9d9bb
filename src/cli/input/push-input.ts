import type { FlagParametersForType } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { UNNAMED } from '../../ring/names.ts'
import { DEFAULT_MAX_ITEM_BYTES } from '../../ring/shared/item-limits.ts'
import type { AttachOptions } from '../../ring/types.ts'
import { counted, safeJson } from '../../text/render.ts'
import { shellWord } from '../../util/shell-word.ts'
import { takePushing } from '../device/take-roles.ts'
import { asCommandError, withNote } from '../errors.ts'
import type { CommonFlags } from '../flags/flags.ts'
import { standardOutput } from '../output/output.ts'
import { tellPerson } from '../output/person.ts'
import { WaitNotice } from '../output/wait-notice.ts'
import { type EnvelopeFlags, Enveloping, envelopeFlags, envelopeOf } from './enveloping.ts'
import { Frames } from './frames.ts'
import { standardInput } from './input.ts'
import { Lines } from './lines.ts'
import { Pusher } from './pusher.ts'
import type { ItemSplitter } from './splitter.ts'

/** The way in which standard input becomes items, and what to do when there is no room for them. */
export interface PushFlags extends CommonFlags, EnvelopeFlags {
  readonly frames?: boolean
  readonly noWait?: boolean
}

export const pushFlags: FlagParametersForType<Omit<PushFlags, keyof CommonFlags>> = {
  frames: {
    kind: 'boolean',
    brief: 'Items of any bytes, each after its length as 4 bytes, little-endian',
    optional: true,
    withNegated: false,
  },
  noWait: {
    kind: 'boolean',
    brief: 'Give up when the ring is full or suspended',
    optional: true,
    withNegated: false,
  },
  ...envelopeFlags,
}

/**
 * Pushes the items of standard input until it ends, and with `json` prints their number.
 * @throws any error, with the number of items that were pushed
 */
export async function pushStandardInput(
  ring: BlockDevice,
  names: AttachOptions,
  { frames, noWait, json, ...flags }: PushFlags,
  signal: AbortSignal,
): Promise<void> {
  const envelope = envelopeOf(flags)
  const split = (maxBytes: number): ItemSplitter =>
    frames === true ? new Frames(maxBytes) : new Lines(maxBytes)
  let pushed = 0
  try {
    await using _pushing = await takePushing(ring, names.client ?? UNNAMED)
    const notice = json === true ? undefined : new WaitNotice(ring.name)
    const options = { wait: noWait !== true, signal, notice }
    await using pusher = await Pusher.open(ring, names, options)
    const { maxItemBytes } = pusher
    if (process.stdin.isTTY === true && frames !== true)
      tellPerson('reading items from the terminal, one a line; Ctrl-D ends', json)
    const splitter =
      envelope === undefined ? split(maxItemBytes) : new Enveloping(envelope, maxItemBytes, split)
    try {
      await pushInput(pusher, splitter, signal)
    } catch (error) {
      throw withWayOut(error, ring.name, maxItemBytes, names.maxItemBytes)
    } finally {
      pushed = pusher.pushed
    }
    if (json === true) await standardOutput(signal).write(`${safeJson({ pushed })}\n`)
    tellPerson(`${ring.name}: ${counted(pushed, 'item')} pushed`, json)
  } catch (error) {
    throw withNote(error, `Items pushed: ${pushed}`, { pushed })
  }
}

/** Adds how to push a larger item: with a higher limit, or in a larger ring. */
function withWayOut(
  error: unknown,
  ring: string,
  taken: number,
  wanted = DEFAULT_MAX_ITEM_BYTES,
): unknown {
  if (asCommandError(error).code !== 'RING_ITEM_TOO_LARGE') return error
  const note =
    taken < wanted
      ? `${ring} has no room for a larger one; to continue in a larger ring: sbr migrate ${shellWord(ring)} NEW --size SIZE`
      : '--max-item allows more, as far as the ring has room for it'
  return withNote(error, note, {})
}

async function pushInput(
  pusher: Pusher,
  splitter: ItemSplitter,
  signal: AbortSignal,
): Promise<void> {
  const chunks = standardInput(signal)
  try {
    for (;;) {
      const { value: chunk, done } = await pusher.whileWaitingFor(chunks.next())
      if (done === true) break
      await pushComplete(pusher, (items) => splitter.feed(chunk, items))
    }
    await pushComplete(pusher, (items) => splitter.end(items))
  } finally {
    await chunks.return(undefined)
  }
}

/** Pushes the complete items, and only then reports an error of the next one. */
async function pushComplete(pusher: Pusher, split: (items: Uint8Array[]) => void): Promise<void> {
  const items: Uint8Array[] = []
  let problem: unknown
  try {
    split(items)
  } catch (error) {
    problem = error
  }
  await pusher.push(items)
  if (problem === undefined) return
  const item = pusher.pushed + 1
  throw withNote(problem, `That was item ${item} of the input`, { item })
}
