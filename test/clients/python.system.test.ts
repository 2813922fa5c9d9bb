import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { text } from '../../src/codec/index.ts'
import { Producer, type RingEntry, RingReader, RingWriter } from '../../src/index.ts'
import { HostileImages } from '../fuzz/hostile/source.ts'
import { Images } from '../fuzz/run.ts'
import { goldens } from '../helpers/golden.ts'
import { needs } from '../helpers/interop.ts'
import { RECIPES } from '../ring/format2/recipes.ts'
import { expectedListing } from './listing.ts'
import { PythonReader, pythonMissing, runPython, SBR_READ, type Told } from './python.ts'

const folder = mkdtempSync(join(tmpdir(), 'sbr-python-'))
const image = join(folder, 'image')
const missing = pythonMissing()
let reader: PythonReader

beforeAll(() => {
  reader = new PythonReader()
})
beforeEach((context) => needs(context, missing))
afterAll(async () => {
  await reader[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

async function copyOf(bytes: Uint8Array, sectorSize: number): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sectorSize, sizeSectors: bytes.length / sectorSize })
  await device.write(0, [bytes])
  return device
}

describe('golden images', () => {
  test.each(goldens(false))('$name is read as its sidecar says', async (golden) => {
    const path = new URL(`../golden/${golden.image}`, import.meta.url).pathname
    const { items_hex, item_end_positions } = golden.expect
    expect(await reader.read(path, golden.sector_size)).toMatchObject({
      code: 0,
      format: 1,
      damage: [],
      items: items_hex.map((item, at) => ({
        position: String(item_end_positions[at]),
        hex: item,
      })),
    })
  })

  test.each(goldens(true))('$name is reported: $note', async (golden) => {
    const path = new URL(`../golden/${golden.image}`, import.meta.url).pathname
    const told = await reader.read(path, golden.sector_size)
    const hasMagic = !golden.name.startsWith('corrupt-magic')
    expect(told).toMatchObject(hasMagic ? { code: 1, items: [] } : { code: 3 })
    expect(hasMagic ? told.damage : [told.error]).toHaveLength(1)
  })

  test.each(RECIPES)('$name is read as this package reads it', async ({ name }) => {
    const path = new URL(`../golden/format2/${name}.img`, import.meta.url).pathname
    const { items } = await expectedListing(() => copyOf(readFileSync(path), 512))
    expect(await reader.read(path)).toMatchObject({ code: 0, format: 2, damage: [], items })
  })
})

/** Both readers find the same with checksums; forged ones may pass one of them and not the other. */
describe('damaged images', () => {
  test('list what a consumer of this package gets, and are called damaged if it finds damage', async () => {
    const images = await Images.make()
    let [listed, damaged] = [0, 0]
    for (let seed = 1; seed <= 40; seed++) {
      const { base, bytes, sealed, damage } = images.image(seed)
      const { format, sectorSize, blockSize } = base.shape
      writeFileSync(image, bytes)
      const told = await reader.read(image, sectorSize)
      expect([0, 1, 3]).toContain(told.code)
      if (bytes.length % sectorSize !== 0) continue
      const unit = Math.max(4096, blockSize)
      const leases = Math.ceil(12_288 / unit) * unit + 6 * unit
      const { items, codes } = await expectedListing(async () => {
        const device = await copyOf(bytes, sectorSize)
        // A damaged lease keeps roles away, and hides no item from who only reads.
        if (format === 2 && leases + 2 * unit <= bytes.length) {
          await device.writeZeroes(leases / sectorSize, (2 * unit) / sectorSize)
        }
        return device
      })
      if (!sealed) {
        expect(told.items ?? [], `seed ${seed}: ${damage.join('; ')}`).toEqual(items)
        if (codes.length > 0) expect(told.code).not.toBe(0)
        listed += items.length
        damaged += told.code
      }
    }
    expect(listed).toBeGreaterThan(50)
    expect(damaged).toBeGreaterThan(7)
  })

  test('that were made to hurt end soon, with items that were pushed', async () => {
    const images = await HostileImages.make()
    const codes = new Set<number>()
    for (let seed = 1; seed <= 60; seed++) {
      const composed = images.image(seed)
      const { deviceBytes, extents, sectorSize } = composed.image
      if (deviceBytes > 16 << 20) continue
      writeFileSync(image, '')
      truncateSync(image, deviceBytes)
      const device = await FileBlockDevice.open(image, { sectorSize })
      for (const { offset, bytes } of extents) await device.write(offset / sectorSize, [bytes])
      await device.disconnect()
      const told = await reader.read(image, sectorSize)
      codes.add(told.code)
      const whose = `seed ${seed}: ${images.describe(composed)}`
      expect([0, 1, 3], whose).toContain(told.code)
      if (!composed.isHonest) continue
      expect(told.code, whose).toBe(0)
      const { items } = await expectedListing(() => composed.image.device())
      if (items.length > 0) expect(told.items, whose).toEqual(items)
    }
    expect([...codes].sort()).toEqual([0, 1])
  })

  test('that are cut at any byte are reported', async () => {
    const base = RECIPES.find(({ name }) => name === 'masked-wrapped')
    if (base === undefined) throw new Error('there is no such recipe')
    const device = await base.make()
    const { sizeSectors } = await device.getInfo()
    const whole = new Uint8Array(sizeSectors * 512)
    await device.read(0, [whole])
    for (let length = 0; length < whole.length; length += 2999) {
      writeFileSync(image, whole.subarray(0, length))
      const { code, items } = await reader.read(image)
      expect([length, code]).toEqual([length, length < 12_288 + 512 ? expect.any(Number) : 3])
      expect([1, 3]).toContain(code)
      expect(items ?? []).toEqual([])
    }
  })
})

describe.each([1, 2] as const)('a live ring of format %i', (format) => {
  const itemOf = (number: number): string => {
    const start = `item ${number} `
    return start.padEnd(20 + ((number * 7919) % 3000), start)
  }

  async function work(device: BlockDevice, from: number, to: number): Promise<void> {
    await using writer = await RingWriter.open(device, { codec: text })
    await using ring = await RingReader.open(device, { codec: text })
    let written = from
    const held: RingEntry<string>[] = []
    while (written < to) {
      await writer.pushMany(Array.from({ length: 25 }, () => itemOf(++written)))
      held.push(...(await ring.receiveMany()))
      // Some always wait.
      await Promise.all(held.splice(0, held.length - 20).map((entry) => entry.ack()))
    }
  }

  test('is read while both sides run: nothing is made up, missed or called damaged', async () => {
    const path = join(folder, `live-${format}`)
    await using device = await FileBlockDevice.create(path, { sizeBytes: 256 << 10 })
    await Producer.create(device, { format })
    const told: Told[] = []
    let isWorking = true
    const reading = (async () => {
      while (isWorking) told.push(await reader.read(path))
    })()
    // Six times as much as there is room for, and as often as it takes to be read at several places.
    try {
      for (const from of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
        await work(device, from * 1000, (from + 1) * 1000)
        if (new Set(told.map(({ items = [] }) => items[0]?.position)).size > 6) break
      }
    } finally {
      isWorking = false
    }
    await reading
    const firsts = new Set<string | undefined>()
    for (const { code, damage, items: listed = [] } of told) {
      expect({ code, damage }).toEqual({ code: 0, damage: [] })
      const numbers = listed.map((item) => {
        const content = Buffer.from(item.hex, 'hex').toString()
        const number = Number(/^item (\d+) /.exec(content)?.[1])
        expect(content).toBe(itemOf(number))
        if (format === 2) expect(item.position.split(':')[1]).toBe(String(number))
        return number
      })
      numbers.forEach((number, at) => {
        if (at > 0) expect(number).toBeGreaterThan(numbers[at - 1] ?? 0)
      })
      firsts.add(listed[0]?.position)
    }
    expect(firsts.size).toBeGreaterThan(5)
  })
})

describe('the command', () => {
  const golden = new URL('../golden/format2/items.img', import.meta.url).pathname

  test('prints a line for each item', async () => {
    const { code, output, errors } = await runPython([golden])
    expect({ code, errors }).toEqual({ code: 0, errors: '' })
    const { items } = await reader.read(golden)
    expect(output).toBe(items?.map((item) => `${item.position}\t${item.hex}\n`).join(''))
  })

  test('tells damage on standard error, or in its JSON', async () => {
    const bytes = readFileSync(golden)
    bytes.fill(255, 20_480, 20_992)
    writeFileSync(image, bytes)
    const lines = await runPython([image])
    expect(lines.code).toBe(1)
    expect(lines.errors).toBe('damage: producer slot 1, byte 20480: no magic\n')
    const object = await runPython([image, '--json'])
    expect(JSON.parse(object.output)).toMatchObject({
      format: 2,
      damage: [{ where: 'producer slot 1, byte 20480', what: 'no magic' }],
    })
  })

  test.each([
    [['--sector-size', '1000', golden], 2, 'power of two'],
    [[join(folder, 'none')], 4, 'No such file'],
    [[folder], 4, 'neither a file nor a block device'],
    [[new URL('listing.ts', import.meta.url).pathname], 3, 'there is no ring'],
  ])('%j ends with %i', async (args, wanted, message) => {
    const { code, output, errors } = await runPython(args)
    expect({ code, output }).toEqual({ code: wanted, output: '' })
    expect(errors).toContain(message)
  })

  test('does in a program what docs/clients.md shows', async () => {
    const page = readFileSync(new URL('../../docs/clients.md', import.meta.url), 'utf8')
    const [, program = ''] = /```python\n([\s\S]*?)```/.exec(page) ?? []
    const { stdout } = await promisify(execFile)('python3', [
      '-c',
      program
        .replace('clients/python/sbr_read.py', SBR_READ)
        .replace('ring.img', new URL('../golden/cli-example.img', import.meta.url).pathname),
    ])
    expect(stdout).toMatch(/^\d+ b'.+'\n/)
  })

  test('documents its exit codes', async () => {
    const { code, output } = await runPython(['--help'])
    expect(code).toBe(0)
    expect(output.match(/^ {2}\d {2}/gm)).toHaveLength(5)
  })
})
