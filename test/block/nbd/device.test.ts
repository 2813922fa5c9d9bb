import { expect, test } from 'vitest'
import { NbdBlockDevice } from '../../../src/block/nbd/index.ts'

test.each([
  { sectorSize: 500 },
  { connections: 0 },
  { connections: 17 },
  { maxInFlight: 0.5 },
  { tls: { hostname: '' } },
  { connectTimeoutMs: 0 },
  { requestTimeoutMs: 2 ** 31 },
  { requestTimeoutMs: Number.NaN },
])('%o is refused before anything is sent', async (options) => {
  const uri = 'nbd+unix:///?socket=/none'
  await expect(NbdBlockDevice.open(uri, options)).rejects.toThrow(RangeError)
})
