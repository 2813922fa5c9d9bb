import { testOnFile } from './on-files.ts'

// Each value of each option once, and what opens a file in another way; file.system.test.ts has the combinations.
testOnFile({})
testOnFile({ sectorSize: 4096, direct: true, made: true })
testOnFile({ engine: 'sync', durability: 'flush' })
testOnFile({ engine: 'adaptive', direct: true })
testOnFile({ sectorSize: 4096, durability: 'none' })
