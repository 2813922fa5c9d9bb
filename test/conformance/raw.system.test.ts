import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { deviceConformance } from '../../src/conformance/index.ts'
import { needs } from '../helpers/interop.ts'
import { attachLoop, loopProblem } from '../helpers/loop.ts'
import { temporaryFolder } from './folder.ts'
import { rawSource, SECTORS } from './sources.ts'

const problem = loopProblem()

for (const sectorSize of [512, 4096]) {
  describe(`loop device, ${sectorSize}-byte sectors`, () => {
    if (problem !== undefined) {
      test('needs a loop device', (context) => needs(context, problem))
      return
    }
    const file = join(temporaryFolder(), 'loop.img')
    writeFileSync(file, '')
    truncateSync(file, SECTORS * sectorSize)
    const loop = attachLoop(file, { sectorSize })
    afterAll(() => loop[Symbol.dispose]())
    deviceConformance({ test, ...rawSource(loop.path, {}) })
  })
}
