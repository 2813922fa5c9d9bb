import { expect, test } from 'vitest'
import { BufferPool, type PooledBuffer } from '../../../src/block/buffer-pool.ts'

const MIB = 1 << 20

/** Memory that counts what is made. */
function counted(): { memory: BufferPool; made: () => number } {
  let made = 0
  const memory = new BufferPool((bytes) => {
    made++
    return new Uint8Array(bytes)
  })
  return { memory, made: () => made }
}

function useAtOnce(memory: BufferPool, pieces: number, bytes: number): void {
  const pooled = Array.from({ length: pieces }, (): PooledBuffer => memory.acquire(bytes))
  for (const each of pooled) each.release()
}

test('released memory is handed out again', () => {
  const { memory, made } = counted()
  useAtOnce(memory, 8, MIB)
  useAtOnce(memory, 8, MIB)
  expect(made()).toBe(8)
})

test('unused memory is bounded in bytes and in pieces', () => {
  const large = counted()
  useAtOnce(large.memory, 8, 4 * MIB)
  useAtOnce(large.memory, 8, 4 * MIB)
  expect(large.made()).toBe(8 + 2)
  const small = counted()
  useAtOnce(small.memory, 40, 512)
  useAtOnce(small.memory, 40, 512)
  expect(small.made()).toBe(40 + 24)
})

test('little memory is kept while there is nothing to read', () => {
  const { memory, made } = counted()
  useAtOnce(memory, 8, MIB)
  memory.trim()
  useAtOnce(memory, 8, MIB)
  expect(made()).toBe(8 + 6)
})

test('a piece is not handed out where a part of it would do, nor to two at a time', () => {
  const { memory, made } = counted()
  useAtOnce(memory, 1, 4 * MIB)
  memory.acquire(MIB)
  expect(made()).toBe(2)
  const one = memory.acquire(2 * MIB)
  expect(made()).toBe(2)
  expect(memory.acquire(2 * MIB).memory.buffer).not.toBe(one.memory.buffer)
  one.share()
  one.release()
  expect(memory.acquire(2 * MIB).memory.buffer).not.toBe(one.memory.buffer)
})

test('pinned memory is handed out again without the views of it', () => {
  const { memory, made } = counted()
  const pooled = memory.acquire(MIB)
  const view = pooled.memory.subarray(5, 9)
  pooled.pin()
  pooled.pin()
  expect(memory.pinnedBytes).toBe(MIB)
  pooled.release()
  pooled.unpin()
  expect(view).toHaveLength(4)
  expect(memory.pinnedBytes).toBe(MIB)
  pooled.unpin()
  expect(memory.pinnedBytes).toBe(0)
  expect(view).toHaveLength(0)
  expect(memory.acquire(MIB).memory).toHaveLength(MIB)
  expect(made()).toBe(1)
})

test('memory that a program takes away does not stay pinned', () => {
  const { memory, made } = counted()
  const pooled = memory.acquire(MIB)
  pooled.pin()
  structuredClone(pooled.memory.buffer, { transfer: [pooled.memory.buffer as ArrayBuffer] })
  expect(pooled.isGone).toBe(true)
  pooled.release()
  pooled.unpin()
  expect(memory.pinnedBytes).toBe(0)
  expect(memory.acquire(MIB).memory).toHaveLength(MIB)
  expect(made()).toBe(2)
})
