import { describe, expect, test } from 'vitest'
import * as fan from '../../../src/fan/index.ts'
import * as core from '../../../src/index.ts'
import * as journal from '../../../src/journal/index.ts'
import * as metrics from '../../../src/metrics/index.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import * as tools from '../../../src/tools.ts'
import * as worker from '../../../src/worker/index.ts'
import { fuzz } from '../run.ts'
import { expectHarmless } from '../sound.ts'
import { CALLS, EXCLUDED } from './calls.ts'
import { HostileImages } from './source.ts'

const IMAGES = 60

test('hostile images come to items that were pushed, or to an error of the package', async () => {
  expectHarmless(await fuzz({ from: 1, stride: 1, images: IMAGES, hostile: true }), IMAGES)
})

test('all that is exported is called, or left out by name', () => {
  const exported = Object.entries({
    ...core,
    ...tools,
    ...journal,
    ...fan,
    ...metrics,
    ...worker,
  }).flatMap(([name, value]) => {
    const owner: object = Object(value)
    const members = Object.getOwnPropertyNames(owner)
      .map((member): readonly [string, unknown] => [member, Reflect.get(owner, member)])
      .filter(([member, found]) => typeof found === 'function' && member !== 'prototype')
      .map(([member]) => `${name}.${member}`)
    return members.length > 0 ? members : typeof value === 'function' ? [name] : []
  })
  const named = new Set(CALLS.map(({ name }) => name.split(',')[0] ?? ''))
  expect([...named, ...Object.keys(EXCLUDED)].sort()).toEqual(exported.sort())
})

describe('the harness notices', () => {
  test('an item that nobody pushed', async () => {
    const images = await HostileImages.make()
    const seeds = Array.from({ length: 40 }, (_, index) => index + 1)
    const delivering = async (seed: number): Promise<boolean> =>
      (await images.run(images.image(seed), seed)).delivered > 0
    for (const seed of seeds) {
      const image = images.image(seed)
      if (image.format === 1 || image.items.size === 0 || !(await delivering(seed))) continue
      const run = images.run({ ...image, items: new Set() }, seed)
      await expect(run).rejects.toThrow('nobody pushed')
      return
    }
    throw new Error('no image has an item')
  })

  test('a ring that is not sound though nobody has done anything to it', async () => {
    const images = await HostileImages.make(2)
    for (let seed = 1; seed < 100; seed++) {
      const image = images.image(seed)
      if (!image.isHonest) continue
      const disk = await Disk.open(await image.image.device())
      const [offset] = disk.layout.consumerSlots
      image.image.at(offset, disk.layout.blockSize).fill(1, 64)
      await expect(images.run(image, seed)).rejects.toThrow('an honest ring is not sound')
      return
    }
    throw new Error('no image is honest')
  })
})
