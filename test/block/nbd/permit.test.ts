import { expect, test } from 'vitest'
import { NbdBlockDevice } from '../../../src/block/nbd/index.ts'
import { CachingNbd, TYPE } from '../../helpers/caching-nbd.ts'

const OVER = new Error('over')

/** A device, and a server that holds the first write until the test lets it go. */
async function held(options: { maxInFlight?: number } = {}) {
  const server = new CachingNbd()
  let release = (): void => undefined
  const waiting = new Promise<void>((resolve) => {
    release = resolve
  })
  let arrived = (): void => undefined
  const first = new Promise<void>((resolve) => {
    arrived = resolve
  })
  server.onRequest = async () => {
    arrived()
    await waiting
  }
  const device = await NbdBlockDevice.open('nbd://held/', { dial: server.dial, ...options })
  let isOver = false
  return {
    device,
    server,
    first,
    release,
    permit: () => {
      if (isOver) throw OVER
    },
    end: () => {
      isOver = true
    },
  }
}

const sector = [new Uint8Array(512)]

test('a request that waits for others is not sent when its permit has come to refuse', async () => {
  const { device, server, first, release, permit, end } = await held({ maxInFlight: 1 })
  const sent = device.write(0, sector, { permit })
  const waiting = [
    device.write(1, sector, { permit, durable: true }),
    device.read(2, sector, { permit }),
    device.writeZeroes(3, 1, { permit }),
    device.discard(4, 1, { permit }),
    device.flush({ permit }),
  ]
  const settled = Promise.allSettled(waiting)
  await first
  end()
  release()
  await sent
  for (const result of await settled) expect(result).toEqual({ status: 'rejected', reason: OVER })
  await device.write(5, sector)
  expect(server.seen.map(({ request }) => request.offset / 512)).toEqual([0, 5])
  await device.flush()
  await device.disconnect()
})

test('a read whose connection was lost is not sent again when its permit has come to refuse', async () => {
  const { device, server, first, permit, end } = await held()
  const reading = device.read(0, sector, { permit })
  reading.catch(() => undefined)
  await first
  end()
  server.cut(1)
  await expect(reading).rejects.toBe(OVER)
  expect(server.connectionsOf(TYPE.read)).toEqual([1])
  await device.disconnect()
})
