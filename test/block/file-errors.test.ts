import { rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openFile } from '../../src/block/file/open.ts'
import { ioError, isSystemError } from '../../src/block/native/errors.ts'
import { adviceFor } from '../../src/cli/advice.ts'
import type { BlockError } from '../../src/errors.ts'

const place = { device: '/dev/sdx', operation: 'read', sector: 8, sectors: 8 }
const eio = Object.assign(new Error('EIO'), { code: 'EIO', errno: -5, syscall: 'read' })

test('EIO of a device that is open past the page cache may be the work of a program that uses the cache', () => {
  const error = ioError(place, eio, true)
  expect(error.message).toMatch(/see the kernel log\. If another program .* direct: false$/)
  expect(adviceFor(error)).toMatch(/use the page cache too, --buffered$/)
})

test('EIO of a device that is open through the page cache is the disk', () => {
  expect(ioError(place, eio, false).message).toMatch(/see the kernel log$/)
})

test('errors of Deno, which have only a code, are errors of the system like those of Node', () => {
  const error = Object.assign(new Error('Input/output error (os error 5)'), { code: 'EIO' })
  expect(isSystemError(error)).toBe(true)
  expect(ioError(place, error).message).toBe(ioError(place, eio).message)
  const other = Object.assign(new Error('(os error 5) said the callback'), { code: 'EIO' })
  expect(isSystemError(other)).toBe(false)
})

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code, errno: -1, syscall: 'open' })
}

/** What opening a file for writing says where the system refuses that. */
async function refusedBy(code: string): Promise<BlockError> {
  const path = join(tmpdir(), `sbr-refused-${process.pid}`)
  writeFileSync(path, new Uint8Array(4096))
  try {
    const refusing = (): Promise<number> => Promise.reject(systemError(code))
    return await openFile(path, { mode: 'read-write' }, refusing).then(
      () => expect.unreachable(),
      (error: BlockError) => error,
    )
  } finally {
    rmSync(path)
  }
}

test.each([
  ['EROFS', 'BLOCK_READ_ONLY', /is on a file system that is mounted read-only; remount it/],
  ['EPERM', 'BLOCK_OPEN', /it is immutable or append-only: lsattr shows it/],
  ['EACCES', 'BLOCK_OPEN', /this user needs permission for it/],
])('a file that cannot be written to says why: %s', async (system, code, message) => {
  const error = await refusedBy(system)
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) })
  expect(adviceFor(error)).toMatch(message)
  expect(adviceFor(error)).not.toMatch(/mode '|open it/)
})

test('a write that nobody may do is not reported as a missing permission of this user', () => {
  const { message } = ioError({ ...place, operation: 'write' }, systemError('EPERM'))
  expect(message).toMatch(/it was made read-only or immutable since it was opened/)
  expect(message).not.toMatch(/user/)
})
