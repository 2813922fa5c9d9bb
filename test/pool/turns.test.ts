import { expect, test } from 'vitest'
import { Pool } from '../../src/pool/index.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { namesIn, poolDevice, UNIT } from './pools.ts'

test('a change waits for another one by the clock that the pool was given, and no longer than ten seconds', async () => {
  const device = await poolDevice()
  const clock = new FakeClock()
  const pool = await Pool.open(device, { clock })
  const other = await device.claim('pool', { holder: 'another program' })
  const adding = pool.add('a', { sizeBytes: UNIT })
  const late = pool.add('b', { sizeBytes: UNIT })
  adding.catch(() => undefined)
  await clock.advance(9000)
  await other.release()
  await clock.advance(100)
  await adding
  await late
  expect(await namesIn(pool)).toEqual(['a', 'b'])

  await device.claim('pool', { holder: 'another program' })
  const refused = pool.add('c', { sizeBytes: UNIT })
  refused.catch(() => undefined)
  await clock.advance(11_000)
  await expect(refused).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
})
