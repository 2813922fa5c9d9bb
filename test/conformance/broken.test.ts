import { expect, test } from 'vitest'
import { deviceConformanceCases } from '../../src/conformance/device.ts'
import { makeMistake, mistakes } from './broken.ts'
import { memorySource, partitionSource, wrapped } from './sources.ts'

for (const mistake of mistakes) {
  test.concurrent(`the suite finds a device that ${mistake.what}: ${mistake.foundBy}`, async ({
    expect,
  }) => {
    const right = mistake.over === 'memory' ? memorySource(512) : partitionSource(512)
    const named = ({ name }: { name: string }): boolean => name === mistake.foundBy
    await deviceConformanceCases(right).find(named)?.run()
    const broken = wrapped(right, (device) => makeMistake(mistake, device))
    const found = deviceConformanceCases(broken).find(named)
    await expect(found?.run()).rejects.toThrow()
  })
}

test('every case of the suite finds a mistake', () => {
  const every = deviceConformanceCases(partitionSource(512)).map(({ name }) => name)
  expect([...new Set(mistakes.map(({ foundBy }) => foundBy))].sort()).toEqual(every.sort())
})
