import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { text } from '../../src/codec/index.ts'
import { RingWriter } from '../../src/index.ts'
import { DIRECTORY_COPIES } from '../../src/ring/format2/disk/directory.ts'
import { needs } from '../helpers/interop.ts'
import { imageOf, poolWith } from '../pool/pools.ts'
import { PythonReader, pythonMissing, type Told } from './python.ts'

const folder = mkdtempSync(join(tmpdir(), 'sbr-python-pool-'))
const image = join(folder, 'image')
let reader: PythonReader

beforeAll(() => {
  reader = new PythonReader()
})
beforeEach((context) => needs(context, pythonMissing()))
afterAll(async () => {
  await reader[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

/** What is told of an image, changed at some bytes. */
async function told(
  bytes: Uint8Array,
  changed: readonly number[] = [],
  ring?: string,
): Promise<Told> {
  const copy = Uint8Array.from(bytes)
  for (const at of changed) copy[at] = (copy[at] ?? 0) ^ 0xff
  writeFileSync(image, copy)
  return reader.read(image, 512, ring)
}

/** A pool with two rings, of which one has items. */
async function pool(): Promise<Uint8Array> {
  const pool = await poolWith('orders', 'mail')
  const writer = await RingWriter.open(await pool.open('mail'), { codec: text })
  for (const item of ['one', 'two']) await writer.push(item)
  await writer.close()
  return imageOf(pool.device)
}

test('the golden images of pools are listed', async () => {
  const golden = (name: string): Uint8Array =>
    gunzipSync(readFileSync(new URL(`../golden/pool/${name}.img.gz`, import.meta.url)))
  expect(await told(golden('empty'))).toMatchObject({ code: 0, rings: [], damage: [] })
  expect(await told(golden('rings'))).toMatchObject({
    code: 0,
    damage: [],
    rings: [
      { name: 'orders', offset: 2_097_152, bytes: 65_536 },
      { name: '\u00dcn\u00efc\u00f8d\u00e9/2', offset: 2_228_224, bytes: 131_072 },
      { name: 'x', offset: 2_359_296, bytes: 65_536 },
    ],
  })
})

test('a ring of a pool is read, and only there', async () => {
  const bytes = await pool()
  const hex = ['one', 'two'].map((item) => Buffer.from(item).toString('hex'))
  const items = hex.map((each, at) => ({ position: `2:${at + 1}`, hex: each }))
  expect(await told(bytes, [], 'mail')).toMatchObject({ code: 0, format: 2, items, damage: [] })
  expect(await told(bytes, [], 'orders')).toMatchObject({ code: 0, items: [], damage: [] })
  expect(await told(bytes, [], 'nothing')).toMatchObject({ code: 3 })
  const [, mail] = (await told(bytes)).rings ?? []
  const own = bytes.subarray(mail?.offset, (mail?.offset ?? 0) + (mail?.bytes ?? 0))
  expect(await told(own, [], 'mail')).toMatchObject({ code: 3 })
  expect(await told(own)).toMatchObject({ code: 0, items })
})

test('one sound copy of the directory is enough, and damage is told', async () => {
  const bytes = await pool()
  const [first, second] = DIRECTORY_COPIES
  for (const at of [first + 8, second + 130]) {
    const found = await told(bytes, [at])
    expect(found).toMatchObject({ code: 1, rings: [{ name: 'orders' }, { name: 'mail' }] })
    expect(found.damage).toHaveLength(1)
  }
  const none = await told(bytes, [first + 8, second + 8])
  expect(none).toMatchObject({ code: 1 })
  expect(none.rings).toBeUndefined()
})

test('a damaged guard: most of it counts, and the directory where its text is damaged', async () => {
  const bytes = await pool()
  expect(await told(bytes, [0])).toMatchObject({ code: 1, rings: [{}, {}] })
  expect(await told(bytes, [128])).toMatchObject({ code: 1, rings: [{}, {}] })
  expect(await told(bytes, [0, 520, 128])).toMatchObject({ code: 3 })
})
