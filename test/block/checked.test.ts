import { expect, test } from 'vitest'
import type { BlockInfo, WriteOptions } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { CheckedBlockDevice } from '../../src/block/wrap/checked.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'
import { settle } from '../helpers/fake-clock.ts'

const S = 512

/** A back-end that checks nothing: it counts what reaches it, and finishes when it is told to. */
class Unchecked extends ForwardingBlockDevice {
  info: BlockInfo = { readWrite: true, sectorSize: S, sizeSectors: 8 }
  transfers = 0
  readonly #waiting: (() => void)[] = []
  slow = false

  constructor() {
    super(new MemoryBlockDevice({ sizeSectors: 1 }))
  }

  override async getInfo(): Promise<BlockInfo> {
    return this.info
  }

  override read(): Promise<void> {
    return this.#transfer()
  }

  override write(_at: number, _buffers: readonly Uint8Array[], _?: WriteOptions): Promise<void> {
    return this.#transfer()
  }

  override discard(): Promise<void> {
    return this.#transfer()
  }

  override writeZeroes(): Promise<void> {
    return this.#transfer()
  }

  override async resize(sizeSectors: number): Promise<void> {
    this.info = { ...this.info, sizeSectors }
  }

  finish(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  async #transfer(): Promise<void> {
    this.transfers++
    if (this.slow) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

test('no invalid request reaches the wrapped device', async () => {
  const inner = new Unchecked()
  await using device = await CheckedBlockDevice.open(inner)
  const one = new Uint8Array(S)
  const list = (value: unknown): Promise<void> => Reflect.apply(device.write, device, [0, value])
  await expect(device.read(8, [one])).rejects.toThrow(
    "sectors 8 to 9 (exclusive) are not within the device's 8 sectors",
  )
  await expect(device.write(0, [one, new Uint8Array(100)])).rejects.toThrow(
    'buffer 1 must be a whole number of 512-byte sectors, but is 100 bytes',
  )
  await expect(device.discard(-1, 1)).rejects.toThrow(RangeError)
  await expect(device.writeZeroes(0, 9)).rejects.toThrow(RangeError)
  await expect(device.seekMapped(9)).rejects.toThrow(RangeError)
  for (const value of [one, undefined, 'x', { length: 1 }]) {
    await expect(list(value)).rejects.toThrow(TypeError)
  }
  await device.write(0, [])
  expect(inner.transfers).toBe(0)
})

test('a device that shrank or became smaller by resize is checked at its new size', async () => {
  const inner = new Unchecked()
  await using device = await CheckedBlockDevice.open(inner)
  const one = [new Uint8Array(S)]
  inner.info = { ...inner.info, sizeSectors: 4 }
  await expect(device.write(4, one)).rejects.toThrow("the device's 4 sectors")
  inner.info = { ...inner.info, sizeSectors: 3 }
  await expect(device.read(3, one)).rejects.toThrow("the device's 3 sectors")
  inner.info = { ...inner.info, sizeSectors: 2 }
  await expect(device.discard(2, 1)).rejects.toThrow("the device's 2 sectors")
  inner.info = { ...inner.info, sizeSectors: 1 }
  await expect(device.writeZeroes(1, 1)).rejects.toThrow("the device's 1 sectors")
  expect(inner.transfers).toBe(0)
  await device.resize(6)
  await device.write(5, [new Uint8Array(S)])
  expect(inner.transfers).toBe(1)
})

test('read-only and disconnected are answered before the wrapped device is called', async () => {
  const inner = new Unchecked()
  inner.info = { ...inner.info, readWrite: false }
  const device = await CheckedBlockDevice.open(inner)
  const one = new Uint8Array(S)
  for (const request of [
    () => device.write(0, [one]),
    () => device.writeZeroes(0, 1),
    () => device.discard(0, 1),
    () => device.resize(1),
  ]) {
    await expect(request()).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
  }
  await device.disconnect()
  await expect(device.read(0, [one])).rejects.toMatchObject({ code: 'BLOCK_DISCONNECTED' })
  expect(inner.transfers).toBe(0)
  await device.unsafe.read(0, [one])
  expect(inner.transfers).toBe(1)
})

test('memory that a read in flight fills is nobody else’s until it settles', async () => {
  const inner = new Unchecked()
  inner.slow = true
  await using device = await CheckedBlockDevice.open(inner)
  const memory = new Uint8Array(8 * S)
  const read = device.read(0, [memory.subarray(2 * S, 4 * S)])
  await expect(device.read(0, [memory.subarray(3 * S, 5 * S)])).rejects.toThrow(
    'shares memory with one that a read in flight is using',
  )
  await expect(device.write(0, [memory])).rejects.toThrow('a read in flight')
  const beside = device.write(0, [memory.subarray(0, 2 * S), memory.subarray(4 * S)])
  await settle()
  expect(inner.transfers).toBe(2)
  inner.finish()
  await Promise.all([read, beside])
  inner.slow = false
  await device.read(0, [memory])
})

test('memory that a write in flight reads may be written again, but not be filled', async () => {
  const inner = new Unchecked()
  inner.slow = true
  await using device = await CheckedBlockDevice.open(inner)
  const one = new Uint8Array(S)
  const three = new Uint8Array(3 * S)
  const writes = [
    device.write(0, [one, one, one]),
    device.write(4, [one]),
    device.write(0, [three, three.subarray(S, 2 * S)]),
  ]
  await expect(device.read(0, [one])).rejects.toThrow('a write in flight')
  await expect(device.read(0, [three.subarray(2 * S)])).rejects.toThrow('a write in flight')
  await settle()
  inner.finish()
  await Promise.all(writes)
  inner.slow = false
  await device.read(0, [one])
})

test('memory is free again after a request that failed', async () => {
  await using device = await CheckedBlockDevice.open(new Unchecked())
  const one = new Uint8Array(S)
  const refused = [device.read(8, [one]), device.read(0, [new Uint8Array(one.buffer, 0, 3)])]
  await expect(refused[0]).rejects.toThrow(RangeError)
  await expect(refused[1]).rejects.toThrow(RangeError)
  await device.read(0, [one])
})

test('one read does not fill the same memory twice', async () => {
  const inner = new Unchecked()
  await using device = await CheckedBlockDevice.open(inner)
  const memory = new Uint8Array(3 * S)
  const first = memory.subarray(0, 2 * S)
  const overlapping = memory.subarray(S)
  await expect(device.read(0, [first, overlapping])).rejects.toThrow('share memory')
  await expect(device.read(0, [overlapping, first])).rejects.toThrow('share memory')
  expect(inner.transfers).toBe(0)
  await device.read(0, [memory.subarray(S), memory.subarray(0, S)])
})
