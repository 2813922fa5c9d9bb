import { expect, test } from 'vitest'
import { Remembered } from '../../src/picture/watch/remembered.ts'

/** Two and a half pieces: one with content, one without, one that is cut off. */
const BYTES = 2 * 4096 + 2048

function seen(): Uint8Array {
  const bytes = new Uint8Array(BYTES)
  bytes.set([1, 0, 2], 100)
  bytes[BYTES - 1] = 3
  return bytes
}

test('the same bytes are recognised, and others are not, wherever they differ', () => {
  const remembered = new Remembered()
  remembered.set(seen())
  expect(remembered.equals(seen())).toBe(true)
  for (let at = 0; at < BYTES; at++) {
    const other = seen()
    other[at] = (other[at] ?? 0) ^ 1
    if (remembered.equals(other)) throw new Error(`byte ${at} makes no difference`)
  }
  for (const bytes of [new Uint8Array(0), seen().subarray(0, BYTES - 1), new Uint8Array(BYTES)])
    expect(remembered.equals(bytes)).toBe(false)
})

test('remembered bytes do not change with the memory that they were read into', () => {
  const [remembered, memory] = [new Remembered(), seen()]
  expect(remembered.equals(memory)).toBe(false)
  remembered.set(memory)
  memory.fill(7)
  expect(remembered.equals(seen())).toBe(true)
  remembered.set(memory)
  expect(remembered.equals(memory)).toBe(true)
  expect(remembered.equals(seen())).toBe(false)
})

test('they are found in a buffer at their offset, and nowhere else', () => {
  const remembered = new Remembered()
  const buffer = Buffer.alloc(2 * BYTES, 9)
  expect(remembered.isAt(buffer, 0)).toBe(false)
  remembered.set(seen())
  buffer.set(seen(), BYTES)
  expect(remembered.isAt(buffer, BYTES)).toBe(true)
  expect(remembered.isAt(buffer, 0)).toBe(false)
  expect(remembered.isAt(buffer, BYTES - 1)).toBe(false)
})
