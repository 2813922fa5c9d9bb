import { describe, test } from 'vitest'
import { deviceConformance } from '../../src/conformance/device.ts'
import { temporaryFolder } from './folder.ts'
import { fileSource } from './sources.ts'

for (const sectorSize of [512, 4096]) {
  for (const direct of [false, true]) {
    describe.concurrent(`file, ${sectorSize}-byte sectors, ${direct ? 'direct' : 'buffered'}`, () => {
      deviceConformance({
        test: test.concurrent,
        ...fileSource(temporaryFolder(), { sectorSize, direct }),
      })
    })
  }
}

for (const durability of ['dsync', 'flush', 'none'] as const) {
  describe.concurrent(`file, durability ${durability}`, () => {
    deviceConformance({ test: test.concurrent, ...fileSource(temporaryFolder(), { durability }) })
  })
}

for (const engine of ['sync', 'adaptive'] as const) {
  for (const direct of [false, true]) {
    describe.concurrent(`file, engine ${engine}, ${direct ? 'direct' : 'buffered'}`, () => {
      deviceConformance({
        test: test.concurrent,
        ...fileSource(temporaryFolder(), { engine, direct }),
      })
    })
  }
  describe.concurrent(`file, engine ${engine}, durability flush`, () => {
    deviceConformance({
      test: test.concurrent,
      ...fileSource(temporaryFolder(), { engine, durability: 'flush' }),
    })
  })
}
