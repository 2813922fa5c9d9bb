import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'

vi.mock('koffi', () => {
  throw new Error('Cannot find package koffi')
})

test('without koffi a file works, and states what it cannot do', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sbr-plain-'))
  try {
    const path = join(directory, 'ring.img')
    await using device = await FileBlockDevice.create(path, { sizeBytes: 8192, exclusive: true })
    expect(device.capabilities).toEqual({
      discard: false,
      resize: true,
      seek: false,
      claim: true,
      watch: true,
      singleSectorBuffers: false,
    })
    const unsupported = { code: 'BLOCK_UNSUPPORTED', details: { device: path } }
    await expect(device.seekMapped(0)).rejects.toMatchObject(unsupported)
    await expect(device.seekUnmapped(0)).rejects.toMatchObject(unsupported)
    await expect(device.discard(0, 1)).rejects.toMatchObject(unsupported)
    await device.write(1, [new Uint8Array(512).fill(7)], { durable: true })
    const buffer = new Uint8Array(1024)
    await device.read(0, [buffer])
    expect(buffer.indexOf(7)).toBe(512)
    await expect(FileBlockDevice.open(path, { exclusive: true })).rejects.toMatchObject({
      code: 'BLOCK_CLAIMED',
    })
  } finally {
    rmSync(directory, { recursive: true })
  }
  expect(existsSync(directory)).toBe(false)
})
