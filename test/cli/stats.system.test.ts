import { expect, test } from 'vitest'
import { diagnose, numbers, ok, sbr, temporaryFolder } from './cli.ts'

test('what format 2 tells of a ring besides, as JSON and for people', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  const startedAt = Date.now()
  await ok(['create', path, '--size', '1MiB', '--name', 'the\x1b[31mjobs'])
  const ring = {
    uuid: expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/),
    ...{ name: 'the\x1b[31mjobs', blockSize: 4096, onFull: 'wait' },
  }
  const none = {
    ...{ committedItems: 0, committedBytes: 0, acknowledgedItems: 0, acknowledgedBytes: 0 },
    ...{ damagedItems: 0, missedItems: 0, commits: 0, fullPushes: 0, lagMs: 0 },
  }
  const empty = await diagnose(path)
  expect(empty).toMatchObject({ format: 2, ring, waitingItems: 0, waitingBytes: 0, items: [] })
  expect(empty['stats']).toEqual({
    ...none,
    producerAt: expect.any(Number),
    consumerAt: expect.any(Number),
  })

  await ok(['produce', path], numbers(1, 12))
  await ok(['consume', path, '--count', '2'])
  const used = await diagnose(path, '--no-items')
  expect(used).toMatchObject({ ring, waitingItems: 10, waitingBytes: 13 })
  const { lagMs, oldestAt, producerAt, consumerAt, ...counts } = used['stats'] as Record<
    string,
    number
  >
  expect({ ...counts, lagMs: 0 }).toEqual({
    ...none,
    ...{
      committedItems: 12,
      committedBytes: 15,
      acknowledgedItems: 2,
      acknowledgedBytes: 2,
      commits: 1,
    },
  })
  expect(lagMs).toBe(Number(producerAt) - Number(oldestAt))
  for (const at of [oldestAt, producerAt, consumerAt]) {
    expect(at).toBeGreaterThanOrEqual(startedAt)
    expect(at).toBeLessThanOrEqual(Date.now())
  }

  const text = (await ok(['diagnostics', path, '--no-items'])).toString()
  expect(text).toMatch(/^ {2}ring +"the\\x1b\[31mjobs", [0-9a-f-]{36}, blocks of 4,096 bytes$/m)
  const since = new Date(oldestAt ?? Number.NaN).toISOString()
  expect(text).toContain(`waiting   10 items, 13 bytes, the oldest pushed at ${since}\n`)
  for (const at of [producerAt, consumerAt]) {
    const written = new Date(at ?? Number.NaN).toISOString()
    expect(text).toContain(`", last written at ${written} by its clock\n`)
  }
  expect(text).toContain('so far    12 items pushed in 1 commit, 0 times without room\n')
})

test('what was overwritten, and what had no room, is counted', async () => {
  using folder = temporaryFolder()
  const lines = `${'x'.repeat(3000)}\n`.repeat(10)
  const [full, ring] = [folder.file('full'), folder.file('ring')]
  await ok(['create', full, '--size', '64KiB'])
  expect((await sbr(['produce', full, '--no-wait'], lines)).code).toBe(3)
  const { stats: counted } = (await diagnose(full)) as { stats: Record<string, number> }
  expect(counted['fullPushes']).toBeGreaterThan(0)

  await ok(['create', ring, '--size', '64KiB', '--on-full', 'overwrite'])
  for (let n = 0; n < 4; n++) await ok(['produce', ring], lines)
  const { waitingItems, stats } = (await diagnose(ring)) as {
    waitingItems: number
    stats: Record<string, number>
  }
  expect(stats).toMatchObject({ committedItems: 40, missedItems: 40 - waitingItems, fullPushes: 0 })
  expect(waitingItems).toBeGreaterThan(0)
  const text = (await ok(['diagnostics', ring, '--no-items'])).toString()
  expect(text).toContain(', overwrites its oldest items when it is full\n')
  expect(text).toMatch(new RegExp(`so far .*, ${40 - waitingItems} overwritten, 0 times without`))
})
