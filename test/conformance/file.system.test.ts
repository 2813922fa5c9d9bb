import { testOnFile } from './on-files.ts'

for (const sectorSize of [512, 4096]) {
  for (const direct of [false, true]) testOnFile({ sectorSize, direct })
}

for (const durability of ['dsync', 'flush', 'none'] as const) testOnFile({ durability })

for (const engine of ['sync', 'adaptive'] as const) {
  for (const direct of [false, true]) testOnFile({ engine, direct })
  testOnFile({ engine, durability: 'flush' })
}

testOnFile({ made: true })
testOnFile({ made: true, direct: true, sectorSize: 4096 })
testOnFile({ made: true, durability: 'flush' })
