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
  const lent = Array.from({ length: pieces }, (): PooledBuffer => memory.lend(bytes))
  for (const each of lent) each.release()
}

test('what was released is lent again', () => {
  const { memory, made } = counted()
  useAtOnce(memory, 8, MIB)
  useAtOnce(memory, 8, MIB)
  expect(made()).toBe(8)
})

test('what nobody uses is bounded in bytes and in pieces', () => {
  const large = counted()
  useAtOnce(large.memory, 8, 4 * MIB)
  useAtOnce(large.memory, 8, 4 * MIB)
  expect(large.made()).toBe(8 + 4)
  const small = counted()
  useAtOnce(small.memory, 40, 512)
  useAtOnce(small.memory, 40, 512)
  expect(small.made()).toBe(40 + 24)
})

test('where there is nothing to read, little is kept', () => {
  const { memory, made } = counted()
  useAtOnce(memory, 8, MIB)
  memory.trim()
  useAtOnce(memory, 8, MIB)
  expect(made()).toBe(8 + 6)
})

test('a piece is not lent where a part of it would do, nor to two at a time', () => {
  const { memory, made } = counted()
  useAtOnce(memory, 1, 4 * MIB)
  memory.lend(MIB)
  expect(made()).toBe(2)
  const one = memory.lend(2 * MIB)
  expect(made()).toBe(2)
  expect(memory.lend(2 * MIB).memory.buffer).not.toBe(one.memory.buffer)
  one.share()
  one.release()
  expect(memory.lend(2 * MIB).memory.buffer).not.toBe(one.memory.buffer)
})

test('what was pinned is lent again without the views of it', () => {
  const { memory, made } = counted()
  const lent = memory.lend(MIB)
  const view = lent.memory.subarray(5, 9)
  lent.pin()
  lent.pin()
  expect(memory.pinnedBytes).toBe(MIB)
  lent.release()
  lent.unpin()
  expect(view).toHaveLength(4)
  expect(memory.pinnedBytes).toBe(MIB)
  lent.unpin()
  expect(memory.pinnedBytes).toBe(0)
  expect(view).toHaveLength(0)
  expect(memory.lend(MIB).memory).toHaveLength(MIB)
  expect(made()).toBe(1)
})

test('memory that a program takes away does not stay pinned', () => {
  const { memory, made } = counted()
  const lent = memory.lend(MIB)
  lent.pin()
  structuredClone(lent.memory.buffer, { transfer: [lent.memory.buffer as ArrayBuffer] })
  expect(lent.isGone).toBe(true)
  lent.release()
  lent.unpin()
  expect(memory.pinnedBytes).toBe(0)
  expect(memory.lend(MIB).memory).toHaveLength(MIB)
  expect(made()).toBe(2)
})
