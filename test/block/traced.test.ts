import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { BLOCK_CHANNEL, type BlockEvent, TracedBlockDevice } from '../../src/block/wrap/traced.ts'

const traces: BlockEvent[] = []
const listen = (message: unknown): void => void traces.push(message as BlockEvent)

beforeEach(() => {
  traces.length = 0
  subscribe(BLOCK_CHANNEL, listen)
})
afterEach(() => unsubscribe(BLOCK_CHANNEL, listen))

function traced(): Promise<TracedBlockDevice> {
  return TracedBlockDevice.open(new MemoryBlockDevice({ sizeSectors: 32, name: 'disk' }))
}

test('every request is published with its operation and extent', async () => {
  const device = await traced()
  const two = [new Uint8Array(512), new Uint8Array(512)]
  await device.getInfo()
  await device.read(3, two)
  await device.write(4, two, { durable: true })
  await device.write(5, two)
  await device.flush()
  await device.discard(6, 7)
  await device.writeZeroes(7, 8)
  await device.seekMapped(8)
  await device.seekUnmapped(9)
  await device.resize(40)
  await (await device.claim('producer', { holder: 'test' })).release()
  await device.ask('consumer', 'hello')
  await device.disconnect()
  const expected = [
    { operation: 'getInfo' },
    { operation: 'read', sector: 3, sectors: 2 },
    { operation: 'write', sector: 4, sectors: 2, durable: true },
    { operation: 'write', sector: 5, sectors: 2, durable: false },
    { operation: 'flush' },
    { operation: 'discard', sector: 6, sectors: 7 },
    { operation: 'writeZeroes', sector: 7, sectors: 8, durable: false },
    { operation: 'seekMapped', sector: 8 },
    { operation: 'seekUnmapped', sector: 9 },
    { operation: 'resize', sectors: 40 },
    { operation: 'claim', role: 'producer' },
    { operation: 'ask', role: 'consumer' },
    { operation: 'disconnect' },
  ]
  expect(traces).toEqual(
    expected.map((each) => ({ device: 'disk', durationMs: expect.any(Number), ...each })),
  )
})

test('a failure is published with its error, and with the time it took', async () => {
  const device = await traced()
  const request = device.read(99, [new Uint8Array(512)])
  await expect(request).rejects.toThrow(RangeError)
  await expect(Reflect.apply(device.write, device, [0, 'x'])).rejects.toThrow(TypeError)
  expect(traces).toMatchObject([
    { operation: 'read', sector: 99, sectors: 1, error: expect.any(RangeError) },
    { operation: 'write', sector: 0, error: expect.any(TypeError) },
  ])
  for (const { durationMs } of traces) expect(durationMs).toBeGreaterThanOrEqual(0)
})

test('what is in flight is published when it settles, with its time', async () => {
  const inner = new MemoryBlockDevice({ sizeSectors: 1 })
  const device = await TracedBlockDevice.open(inner)
  const machines = performance.now
  let now = 1000
  performance.now = () => now
  try {
    const onRequest = async (): Promise<string> => {
      await new Promise((resolve) => setImmediate(resolve))
      now += 30
      return 'late'
    }
    await device.claim('consumer', { holder: 'test', onRequest })
    const asked = device.ask('consumer', 'hello')
    expect(traces.map(({ operation }) => operation)).toEqual(['claim'])
    expect(await asked).toBe('late')
    expect(traces.map(({ durationMs }) => durationMs)).toEqual([0, 30])
  } finally {
    performance.now = machines
  }
})

test('without subscribers the device’s own promise is answered', async () => {
  unsubscribe(BLOCK_CHANNEL, listen)
  const inner = new MemoryBlockDevice({ sizeSectors: 1 })
  const device = await TracedBlockDevice.open(inner)
  const disconnecting = device.disconnect()
  expect(disconnecting).toBe(inner.disconnect())
  await disconnecting
  expect(traces).toEqual([])
})
