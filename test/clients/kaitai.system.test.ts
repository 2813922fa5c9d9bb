import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { compileFunction } from 'node:vm'
import { gunzipSync } from 'node:zlib'
import { beforeEach, expect, test } from 'vitest'
import { parse } from 'yaml'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Pool } from '../../src/pool/index.ts'
import { DIRECTORY_COPIES } from '../../src/ring/format2/disk/directory.ts'
import { dumpAt } from '../../src/ring/maintenance/dump.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { goldenBytes, goldens, hex } from '../helpers/golden.ts'
import { needs } from '../helpers/interop.ts'
import { RECIPES } from '../ring/format2/recipes.ts'

const folder = new URL('../../clients/kaitai/', import.meta.url)
const require = createRequire(new URL('package.json', folder))

/** A field of a compiled description: where it is, and what is there. */
interface Place {
  readonly start: number
  readonly end: number
  /** Where its stream begins in the image. */
  readonly ioOffset: number
}

/** A structure that a compiled description found. */
interface Parsed {
  readonly _debug: Readonly<Record<string, Place>>
  readonly [field: string]: unknown
}

/** Fields of a batch's header; its table follows. */
const HEADER_FIELDS = 14

type Description = new (
  stream: unknown,
  parent: undefined,
  root: undefined,
  ...parameters: readonly number[]
) => Parsed & { _read(): void }

function missing(): string | undefined {
  try {
    require.resolve('kaitai-struct-compiler')
    return undefined
  } catch {
    return 'the compiler of Kaitai Struct is not installed (npm ci --prefix clients/kaitai)'
  }
}

/** Compiles a description, and reads bytes by it. */
async function readBy(
  name: string,
  type: string,
  bytes: Uint8Array,
  ...parameters: readonly number[]
): Promise<Parsed> {
  const source = parse(readFileSync(new URL(`${name}.ksy`, folder), 'utf8'))
  const compiler = require('kaitai-struct-compiler')
  const files: Record<string, string> = await compiler.compile('javascript', source, null, true)
  const exported: Record<string, Description> = {}
  for (const code of Object.values(files)) {
    compileFunction(code, ['exports', 'require'])(exported, require)
  }
  const Class = exported[type]
  if (Class === undefined) throw new Error(`${name}.ksy describes no ${type}`)
  const Stream = require('kaitai-struct/KaitaiStream')
  const parsed = new Class(new Stream(bytes), undefined, undefined, ...parameters)
  parsed._read()
  return parsed
}

const isParsed = (value: unknown): value is Parsed =>
  typeof value === 'object' && value !== null && '_debug' in value

/** What a structure consists of: its value by where it is, as `offset+length`. */
function fieldsOf(
  structure: unknown,
  fields: Map<string, unknown> = new Map(),
): Map<string, unknown> {
  if (Array.isArray(structure)) for (const each of structure) fieldsOf(each, fields)
  if (!isParsed(structure)) return fields
  for (const [name, { start, end, ioOffset }] of Object.entries(structure._debug)) {
    const value = structure[name]
    if (isParsed(value) || (Array.isArray(value) && value.some(isParsed))) fieldsOf(value, fields)
    else fields.set(`${start + ioOffset}+${end - start}`, value)
  }
  return fields
}

/** As a dump shows it. */
function shown(value: unknown): string {
  if (value instanceof Uint8Array) {
    const text = new TextDecoder().decode(value)
    return /^[ -~]+\0*$/.test(text) ? text.replace(/\0+$/, '') : hex(value)
  }
  return String(value).replace(/\0+$/, '')
}

/** Compares what is at an offset with what this package dumps there; returns how many fields that were. */
async function compare(
  device: MemoryBlockDevice,
  offset: number,
  fields: ReadonlyMap<string, unknown>,
): Promise<number> {
  const dump = await dumpAt(device, offset)
  for (const { name, offset: at, bytes, value } of dump.fields) {
    const found = fields.get(`${at}+${bytes}`)
    expect({ [`${dump.structure}, ${name}`]: shown(found) }).toEqual({
      [`${dump.structure}, ${name}`]: value,
    })
  }
  return dump.fields.length
}

async function deviceOf(bytes: Uint8Array, sectorSize: number): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sectorSize, sizeSectors: bytes.length / sectorSize })
  await device.write(0, [bytes])
  return device
}

beforeEach((context) => needs(context, missing()))

test.each(goldens(false))(
  'the description of format 1 reads $name as this package does',
  async (golden) => {
    const bytes = goldenBytes(golden)
    const { sector_size: size } = golden
    const ring = await readBy('sbr_format1', 'SbrFormat1', bytes, size)
    const device = await deviceOf(bytes, size)
    const sectors = ['producer', 'consumer'].map((role) => ring[role]).filter(isParsed)
    // The text is parsed when it is asked for.
    const texts = sectors.map((sector) => shown(sector['text']))
    const { producer_debug_text: producer, consumer_debug_text: consumer } = golden.expect
    expect(texts).toEqual([producer ?? '', consumer ?? ''])
    const fields = fieldsOf(sectors)
    const compared = await Promise.all([1, 2].map((at) => compare(device, at * size, fields)))
    expect(compared).toEqual([3, 3])
  },
)

/** Compares all that the description finds in a ring of format 2; returns the number of batches. */
async function compareAll(device: MemoryBlockDevice, bytes: Uint8Array): Promise<number> {
  const ring = await readBy('sbr_format2', 'SbrFormat2', bytes)
  const list = (...fields: readonly string[]): Parsed[] =>
    fields.flatMap((field) => ring[field]).filter(isParsed)
  const metadata = ['superblocks', 'lastSuperblock', 'producerSlots', 'consumerSlots', 'leases']
  for (const { at, block } of list(...metadata)) {
    if (block !== undefined) {
      expect(await compare(device, Number(at), fieldsOf(block))).toBeGreaterThan(10)
    }
  }
  let batches = 0
  for (const { at, batch } of list('blocks')) {
    if (batch === undefined || (await dumpAt(device, Number(at))).structure === 'free') continue
    batches++
    const fields = fieldsOf(batch)
    expect(await compare(device, Number(at), fields)).toBe(HEADER_FIELDS)
    for (const place of [...fields.keys()].slice(HEADER_FIELDS)) {
      await compare(device, Number.parseInt(place, 10), fields)
    }
  }
  return batches
}

test.each(RECIPES)(
  'the description of format 2 reads $name as this package does',
  async ({ name }) => {
    const image = new URL(`../golden/format2/${name}.img`, import.meta.url)
    const bytes = new Uint8Array(readFileSync(image))
    const batches = await compareAll(await deviceOf(bytes, 512), bytes)
    expect(batches > 0).toBe(!name.startsWith('empty'))
  },
)

test('the description of format 2 reads a lease as this package does', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 128 })
  const lease = { owner: 'host-a', unfenced: true }
  await using _writer = await RingWriter.open(device, { createIfMissing: true, lease })
  const bytes = new Uint8Array(128 * 512)
  await device.read(0, [bytes])
  await compareAll(device, bytes)
  const ring = await readBy('sbr_format2', 'SbrFormat2', bytes)
  const blocks = [ring['leases']].flat().map((place) => (isParsed(place) ? place['block'] : place))
  expect(blocks.map((block) => isParsed(block) && shown(block['owner']))).toEqual(['host-a', false])
})

/** Structures of a list, or one. */
function structures(value: unknown): readonly Parsed[] {
  return [value].flat().filter(isParsed)
}

test.each(['empty', 'rings'])(
  'the description of a pool reads %s as this package does',
  async (name) => {
    const image = new URL(`../golden/pool/${name}.img.gz`, import.meta.url)
    const bytes = new Uint8Array(gunzipSync(readFileSync(image)))
    const found = await readBy('sbr_pool', 'SbrPool', bytes)
    const pool = await Pool.open(await MemoryBlockDevice.from(bytes))
    const directory = structures(found['copies']).flatMap(({ block }) => structures(block))
    expect(directory.map(({ offset }) => offset)).toEqual(DIRECTORY_COPIES)
    const listed = [...(await pool.status()).rings].sort((one, other) => one.offset - other.offset)
    const rings = listed.map((ring) => [ring.name, ring.offset, ring.sizeBytes])
    for (const copy of directory) {
      const described = structures(copy['rings']).map((ring) => [
        shown(ring['name']),
        ring['offset'],
        ring['bytes'],
      ])
      expect(described).toEqual(rings)
      expect(copy).toMatchObject({ poolBytes: Math.floor(bytes.length / 65_536) * 65_536 })
    }
    expect(found).toMatchObject({
      guard: { text: expect.stringContaining('a pool of') },
      isLeased: 0,
    })
  },
)
