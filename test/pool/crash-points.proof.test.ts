import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { Pool } from '../../src/pool/index.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import { deviceOf, Medium, NotingDevice } from './cached.ts'
import { imageOf, itemsOf, namesIn, poolDevice, put, START, UNIT } from './pools.ts'

const LONG = { timeout: 120_000 }

/** Rings enough for a directory of two sectors, of which a write can be torn; one has an item. And room. */
async function someRings(): Promise<Uint8Array> {
  const device = await poolDevice(8)
  const pool = await Pool.open(device)
  for (const name of MORE) await pool.add(name, { sizeBytes: UNIT })
  await pool.add('kept', { sizeBytes: UNIT })
  await pool.add('gone', { sizeBytes: UNIT })
  await put(await pool.open('kept'), 'item')
  return imageOf(device)
}

interface Change {
  readonly what: string
  readonly run: (pool: Pool) => Promise<unknown>
  readonly after: readonly string[]
}

const MORE = ['a', 'b', 'c']
const BEFORE = [...MORE, 'gone', 'kept']
const CHANGES: readonly Change[] = [
  {
    what: 'adding a ring',
    run: (pool) => pool.add('new', { sizeBytes: UNIT, blockSize: 512 }),
    after: [...BEFORE, 'new'],
  },
  { what: 'removing a ring', run: (pool) => pool.remove('gone'), after: [...MORE, 'kept'] },
  { what: 'growing', run: (pool) => pool.grow(), after: BEFORE },
]

/** Runs something, and notes what it wrote. */
async function noted(
  image: Uint8Array,
  run: (device: BlockDevice) => Promise<unknown>,
): Promise<NotingDevice['events']> {
  const device = new NotingDevice(await deviceOf(image))
  await run(device)
  return device.events
}

/** The image on a device that has grown. */
function grown(image: Uint8Array): Uint8Array {
  const all = new Uint8Array(image.length + UNIT)
  all.set(image)
  return all
}

/** Checks that all is there which has to be, and that the pool can be used. */
async function check(image: Uint8Array, allowed: readonly (readonly string[])[]): Promise<void> {
  const device = await deviceOf(image)
  const pool = await Pool.open(device)
  const names = await namesIn(pool)
  expect(allowed).toContainEqual(names)
  for (const name of names) {
    const ring = await pool.open(name)
    expect((await verifyRing(ring)).sound).toBe(true)
    expect(await itemsOf(ring)).toEqual(name === 'kept' ? ['item'] : [])
  }
  await pool.add('used', { sizeBytes: UNIT, blockSize: 512 })
  await put(await pool.open('used'), 'x')
  expect(await itemsOf(await pool.open('used'))).toEqual(['x'])
  expect(await namesIn(await Pool.open(device))).toEqual([...names, 'used'].sort())
}

describe('a power cut at every write, keeping what part of the cache there may be', () => {
  test.each(CHANGES)(
    'while $what: the change has happened or not',
    LONG,
    async ({ run, after }) => {
      const before = grown(await someRings())
      const events = await noted(before, async (device) => run(await Pool.open(device)))
      const medium = new Medium(before)
      for (let point = 0; point <= events.length; point++) {
        // Once it has resolved, it has happened.
        const allowed = point === events.length ? [after] : [BEFORE, after]
        for (const image of medium.after(events, point).cuts(events[point], true))
          await check(image, allowed)
      }
      expect(events.length).toBeGreaterThan(2)
    },
  )

  test('while a pool is created: it can be created again, and used', LONG, async () => {
    const blank = new Uint8Array(START + 3 * UNIT)
    const events = await noted(blank, (device) => Pool.create(device))
    const medium = new Medium(blank)
    for (let point = 0; point <= events.length; point++) {
      for (const image of medium.after(events, point).cuts(events[point], true)) {
        const device = await deviceOf(image)
        await Pool.create(device)
        await check(await imageOf(device), [[]])
      }
    }
  })
})

describe('a program that dies in a change, another that continues it, and a power cut meanwhile', () => {
  test.each(CHANGES)(
    '$what: changes that the other one has seen stay',
    LONG,
    async ({ run, after }) => {
      const before = grown(await someRings())
      const first = await noted(before, async (device) => run(await Pool.open(device)))
      const medium = new Medium(before)
      let runs = 0
      // Until the directory is written, nothing has changed.
      for (let point = Math.max(0, first.length - 3); point <= first.length; point++) {
        for (const torn of ['none', 'all'] as const) {
          const left = medium.after(first, point)
          const cached = left.with(first[point], torn)
          let observed: readonly string[] = []
          let seenAt = 0
          const second = await noted(left.seen(first[point], torn), async (device) => {
            const pool = await Pool.open(device)
            observed = await namesIn(pool)
            seenAt = (device as NotingDevice).events.length
            await pool.remove('kept', { discardItems: true })
          })
          for (let next = 0; next <= second.length; next++) {
            const allowed =
              next === second.length
                ? [observed.filter((name) => name !== 'kept')]
                : next < seenAt
                  ? [BEFORE, after]
                  : [observed, observed.filter((name) => name !== 'kept')]
            for (const image of cached.after(second, next).cuts(second[next], false)) {
              runs++
              await check(image, allowed)
            }
          }
        }
      }
      expect(runs).toBeGreaterThan(20)
    },
  )
})
