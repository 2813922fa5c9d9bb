import { expect, test } from 'vitest'
import { deviceConformance, deviceConformanceCases } from '../../src/conformance/device.ts'
import { BrokenBlockDevice, makeMistake, mistakes } from './broken.ts'
import { memorySource, partitionSource, wrapped } from './sources.ts'

for (const mistake of mistakes) {
  test.concurrent(`the suite finds a device that ${mistake.what}: ${mistake.foundBy}`, async ({
    expect,
  }) => {
    const right = mistake.over === 'memory' ? memorySource(512) : partitionSource(512)
    const named = ({ name }: { name: string }): boolean => name === mistake.foundBy
    expect(await deviceConformanceCases(right).find(named)?.run()).toEqual({ status: 'passed' })
    const broken = wrapped(right, (device) => makeMistake(mistake, device))
    const found = deviceConformanceCases(broken).find(named)
    await expect(found?.run()).rejects.toThrow()
  })
}

test('what a device or its source lacks is skipped, and says why', async () => {
  const { open } = memorySource(512)
  const bare = wrapped({ open }, async (device) => {
    const capabilities = { ...device.capabilities, discard: false, claim: false }
    return Object.defineProperty(new BrokenBlockDevice(device), 'capabilities', {
      value: capabilities,
    })
  })
  const shown: string[] = []
  const runs: Promise<void>[] = []
  deviceConformance({
    ...bare,
    test: (name, run) => {
      runs.push(run({ skip: (reason) => shown.push(`${name}: ${reason}`) }))
    },
  })
  await Promise.allSettled(runs)
  expect(shown).toContain(
    'discard keeps the size and the sectors around: the device is not capable of discard',
  )
  expect(shown).toContain(
    'flush reaches what is beneath, after all that was written before it: the source has no openGated',
  )
  expect(shown.filter((line) => line.includes('not capable of claim'))).toHaveLength(5)
})

test('every case of the suite finds a mistake', () => {
  const every = deviceConformanceCases(partitionSource(512)).map(({ name }) => name)
  expect([...new Set(mistakes.map(({ foundBy }) => foundBy))].sort()).toEqual(every.sort())
})
