import { expect, test } from 'vitest'
import { ioError } from '../../src/block/file/errors.ts'
import { adviceFor } from '../../src/cli/advice.ts'

const place = { device: '/dev/sdx', operation: 'read', sector: 8, sectors: 8 }
const eio = Object.assign(new Error('EIO'), { code: 'EIO', errno: -5, syscall: 'read' })

test('EIO of a device that is open past the page cache may be the work of a program that uses the cache', () => {
  const error = ioError(place, eio, true)
  expect(error.message).toMatch(/see the kernel log\. If another program .* direct: false$/)
  expect(adviceFor(error)).toMatch(/use that too, --buffered$/)
})

test('EIO of a device that is open through the page cache is the disk', () => {
  expect(ioError(place, eio, false).message).toMatch(/see the kernel log$/)
})
