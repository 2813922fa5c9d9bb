import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { diagnose, jsonError, ok, sbr, temporaryFolder } from './cli.ts'

const golden = new URL('../golden/', import.meta.url)
const names = readdirSync(golden)
  .filter((name) => name.endsWith('.json'))
  .map((name) => name.slice(0, -'.json'.length))
const damaged = names.filter((name) => name.startsWith('corrupt-'))
const valid = names.filter((name) => !name.startsWith('corrupt-'))

test('there are golden images', () => {
  expect([valid.length, damaged.length]).toEqual([18, 12])
})

test.each(valid)('%s is shown as its sidecar says', async (name) => {
  using folder = temporaryFolder()
  const path = folder.file('image')
  copyFileSync(new URL(`${name}.img`, golden), path)
  const sidecar = JSON.parse(readFileSync(new URL(`${name}.json`, golden), 'utf8'))
  const { expect: expected, sector_size, size_sectors } = sidecar
  const sectorSize = ['--sector-size', String(sector_size)]
  const state = {
    format: 1,
    sectorSize: sector_size,
    sizeSectors: size_sectors,
    producer: {
      position: String(expected.producer),
      suspendAck: expected.suspend_ack,
      text: expected.producer_debug_text ?? '',
    },
    consumer: {
      position: String(expected.consumer),
      suspend: expected.suspend,
      text: expected.consumer_debug_text ?? '',
    },
    capacityBytes: expected.data_bytes,
    usedBytes: expected.used,
    freeBytes: expected.free,
    atWork: { producer: false, consumer: false },
    holders: {},
  }
  const items = expected.items_hex.map((hex: string, index: number) => ({
    position: String(expected.item_end_positions[index]),
    bytes: hex.length / 2,
    hex,
  }))
  expect(await diagnose(path, ...sectorSize)).toEqual({ ...state, items })
  expect(await diagnose(path, '--no-items', ...sectorSize)).toEqual(state)
  const text = (await ok(['diagnostics', path, ...sectorSize])).toString()
  expect(text).toContain(`${items.length} item`)
  expect(readFileSync(path).equals(readFileSync(new URL(`${name}.img`, golden)))).toBe(true)
})

test.each(damaged)('%s is reported, and left as it is', async (name) => {
  using folder = temporaryFolder()
  const path = folder.file('image')
  copyFileSync(new URL(`${name}.img`, golden), path)
  const shown = await sbr(['diagnostics', path, '--json'])
  expect(shown.code).toBe(1)
  const error = jsonError(shown)
  if (name.startsWith('corrupt-magic')) {
    expect(error).toMatchObject({ code: 'RING_NOT_INITIALISED' })
  } else {
    expect(error).toMatchObject({
      code: 'RING_CORRUPT',
      device: path,
      sector: expect.any(Number),
      field: expect.any(String),
      expected: expect.any(String),
      found: expect.any(String),
    })
  }
  if (shown.stdout.length > 0) {
    expect(JSON.parse(shown.stdout.toString())).toMatchObject({ items: [], error })
  }
  for (const args of [['consume', '--drain'], ['consume', '--count', '1'], ['diagnostics']]) {
    const [command = '', ...flags] = args
    expect((await sbr([command, path, ...flags])).code).toBe(1)
  }
  expect(readFileSync(path).equals(readFileSync(new URL(`${name}.img`, golden)))).toBe(true)
})
