import type { BlockDevice } from '../device.ts'
import { type Area, areaOf, readAt } from './byte-range.ts'
import { type Chunk, chunksOf, extentsOf } from './extents.ts'
import {
  checkOperation,
  OPERATION_KINDS,
  type OperationOptions,
  type Plan,
  planOf,
} from './options.ts'
import { inOrder } from './pipeline.ts'

/** Content of a device. */
export interface FoldPiece {
  /** The device's sector that the bytes start at. */
  readonly sectorStart: number
  /** A whole number of sectors; the memory is reused after the step. */
  readonly bytes: Uint8Array
}

/** Sectors of a device that are a hole. */
export interface FoldHole {
  /** The first of them. */
  readonly sectorStart: number
  /** The number. */
  readonly sectors: number
}

/** Takes a piece into the state that the pieces before it led to. */
export type FoldStep<State, Piece> = (state: State, piece: Piece) => State | Promise<State>

/**
 * Folds the device's content, from the first sector to the last, into a state. Pieces are as long as a chunk; the
 * next ones are prefetched.
 * @returns the last state: `initial` for an empty device
 * @throws the error of `step`; `BlockError`; `TypeError` or `RangeError` for an option out of range
 * @throws the signal's reason
 */
export async function fold<State>(
  device: BlockDevice,
  initial: State,
  step: FoldStep<State, FoldPiece>,
  options: OperationOptions = {},
): Promise<State> {
  const { area, plan } = await begin('fold', device, options)
  const chunks = chunksOf({ offset: 0, bytes: area.sizeBytes }, plan.chunkBytes)
  return foldChunks(area, plan, chunks, initial, step)
}

/**
 * As {@link fold}, of the sectors that may hold data only. On a device without the `seek` capability
 * all of them may.
 */
export async function foldMapped<State>(
  device: BlockDevice,
  initial: State,
  step: FoldStep<State, FoldPiece>,
  options: OperationOptions = {},
): Promise<State> {
  const { area, plan } = await begin('foldMapped', device, options)
  return foldChunks(area, plan, mappedChunks(area, plan), initial, step)
}

/**
 * Takes the device's holes, which read as zeroes, into a state, without reading. On a device without the
 * `seek` capability there are none.
 */
export async function foldUnmapped<State>(
  device: BlockDevice,
  initial: State,
  step: FoldStep<State, FoldHole>,
  options: OperationOptions = {},
): Promise<State> {
  const { area, plan } = await begin('foldUnmapped', device, options)
  const { sectorSize } = area.info
  const { signal, progress } = plan
  let state = initial
  signal?.throwIfAborted()
  for await (const { offset, bytes, mapped } of extentsOf(area, sectorSize)) {
    if (!mapped) {
      const hole = { sectorStart: offset / sectorSize, sectors: bytes / sectorSize }
      state = await step(state, hole)
    }
    progress(bytes)
    signal?.throwIfAborted()
  }
  return state
}

async function begin(
  call: string,
  device: BlockDevice,
  options: OperationOptions,
): Promise<{ area: Area; plan: Plan }> {
  checkOperation(call, [device], options, OPERATION_KINDS)
  const area = await areaOf(device)
  return { area, plan: planOf(options, area.sizeBytes, area.info.sectorSize) }
}

async function* mappedChunks(area: Area, plan: Plan): AsyncGenerator<Chunk> {
  for await (const extent of extentsOf(area, area.info.sectorSize)) {
    if (extent.mapped) yield* chunksOf(extent, plan.chunkBytes)
    else plan.progress(extent.bytes)
  }
}

async function foldChunks<State>(
  area: Area,
  plan: Plan,
  chunks: Iterable<Chunk> | AsyncIterable<Chunk>,
  initial: State,
  step: FoldStep<State, FoldPiece>,
): Promise<State> {
  const memory = new Map<number, Uint8Array>()
  const read = async ({ offset, bytes }: Chunk, slot: number): Promise<FoldPiece> => {
    const whole = memory.get(slot) ?? area.device.allocate(plan.chunkBytes)
    memory.set(slot, whole)
    const piece = whole.subarray(0, bytes)
    await readAt(area, offset, piece)
    return { sectorStart: offset / area.info.sectorSize, bytes: piece }
  }
  let state = initial
  for await (const piece of inOrder(chunks, plan, read)) {
    state = await step(state, piece)
    plan.progress(piece.bytes.length)
  }
  return state
}
