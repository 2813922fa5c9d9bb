import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { openDevice } from '../../src/cli/device/device.ts'
import { ringPathOf } from '../../src/cli/device/ring-path.ts'
import { Pool } from '../../src/pool/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { START, UNIT } from '../pool/pools.ts'

let folder = ''
const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sbr-ring-path-'))
  await using pool = await FileBlockDevice.openOrCreate(at('pool'), { sizeBytes: START + 2 * UNIT })
  await Pool.create(pool)
  await (await Pool.open(pool)).add('orders', { sizeBytes: UNIT })
  await using ring = await FileBlockDevice.openOrCreate(at('ring'), { sizeBytes: UNIT })
  await Producer.create(ring)
  await mkdir(at('folder'))
  const files = ['ring#orders', 'other', 'other#orders', 'folder/#orders', 'a#b#c']
  for (const file of files) await writeFile(at(file), new Uint8Array(512))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

test('a ring of a pool is named by both', async () => {
  const ring = { device: at('pool'), ring: 'orders' }
  expect(await ringPathOf(at('pool#orders'))).toEqual(ring)
  expect(await ringPathOf(at('pool/#orders'))).toEqual(ring)
  await using opened = await openDevice(at('pool/#orders'), 'read-only', {})
  expect(opened.name).toBe(at('pool#orders'))
})

test.each(['ring#orders', 'other#orders', 'folder/#orders', 'folder/#new', 'none#orders', 'a#b#c'])(
  '%s is a file: what is before its # is no pool',
  async (path) => {
    expect(await ringPathOf(at(path))).toBeUndefined()
  },
)

test('a file that has the name of a ring of a pool is not taken for it, nor the ring for the file', async () => {
  const planted = at('pool#orders')
  await writeFile(planted, new Uint8Array(512))
  try {
    const refused = {
      code: 'CLI_USAGE',
      message: expect.stringContaining(`for the ring, say ${at('pool')}/#orders`),
    }
    await expect(ringPathOf(planted)).rejects.toMatchObject(refused)
    await expect(openDevice(planted, 'read-only', {})).rejects.toMatchObject(refused)
    expect(await ringPathOf(at('pool/#orders'))).toEqual({ device: at('pool'), ring: 'orders' })
  } finally {
    await rm(planted)
  }
})
