import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { deviceConformance, deviceConformanceCases } from '../../src/conformance/index.ts'
import { BrokenBlockDevice, makeMistake, mistakes } from './broken.ts'
import { memorySource, partitionSource, wrapped } from './sources.ts'

// All is in memory: nothing but timers takes time here.
beforeAll(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterAll(() => void vi.useRealTimers())

/** Lets time pass until something has settled. */
async function atOnce<T>(running: Promise<T> | undefined): Promise<T | undefined> {
  let settled = false
  const settle = (): void => {
    settled = true
  }
  running?.then(settle, settle)
  while (!settled) await vi.advanceTimersByTimeAsync(50)
  return running
}

for (const mistake of mistakes) {
  test(`the suite finds a device that ${mistake.what}: ${mistake.foundBy}`, async () => {
    const right = mistake.over === 'memory' ? memorySource(512) : partitionSource(512)
    const named = ({ name }: { name: string }): boolean => name === mistake.foundBy
    const passing = deviceConformanceCases(right).find(named)
    expect(await atOnce(passing?.run())).toEqual({ status: 'passed' })
    const broken = wrapped(right, (device) => makeMistake(mistake, device))
    const found = deviceConformanceCases(broken).find(named)
    await expect(atOnce(found?.run())).rejects.toThrow()
  })
}

test('a case that a device or its source cannot run is skipped, and says why', async () => {
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
  await atOnce(Promise.allSettled(runs))
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
