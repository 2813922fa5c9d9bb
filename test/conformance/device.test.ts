import { describe, test } from 'vitest'
import { deviceConformance } from '../../src/conformance/index.ts'
import { memorySource, partitionSource } from './sources.ts'

for (const sectorSize of [512, 4096]) {
  describe.concurrent(`memory, ${sectorSize}-byte sectors`, () => {
    deviceConformance({ test: test.concurrent, ...memorySource(sectorSize) })
  })
  describe.concurrent(`partition of a partition, ${sectorSize}-byte sectors`, () => {
    deviceConformance({ test: test.concurrent, ...partitionSource(sectorSize) })
  })
}
