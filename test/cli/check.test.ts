import { expect, test } from 'vitest'
import { type Limits, type Problem, problemsOf } from '../../src/cli/device/check-ring.ts'
import { type Surveyed, surveyAll } from '../../src/cli/device/survey.ts'
import { CommandError, EXIT } from '../../src/cli/errors.ts'
import { parsePercent } from '../../src/cli/flags/size.ts'
import { checkJson, checkLine as styledLine } from '../../src/cli/output/check-text.ts'
import type { RingSurvey } from '../../src/metrics/survey.ts'
import { spanOfTime } from '../../src/text/render.ts'
import { RECORD } from '../helpers/lease-record.ts'
import { temporaryFolder } from './cli.ts'
import { makeRing } from './tools.ts'

const checkLine = (...args: [Surveyed, readonly Problem[]]): string =>
  styledLine(...args, { paint: (_, text) => text })

const NOW = 1_700_000_600_000
const MINUTE = 60_000
const NEVER = { status: 'never' } as const
const FREE = { ...RECORD, status: 'free' } as const
const HELD = { holder: 'c' }

/** A ring of format 2 with an item that has waited five minutes, as a survey finds it. */
async function ringAt(changes: {
  readonly state?: Partial<RingSurvey['state']>
  readonly leases?: Partial<NonNullable<RingSurvey['leases']>>
  readonly holders?: RingSurvey['holders']
}): Promise<RingSurvey> {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  const [found] = await surveyAll([path], {}, new AbortController().signal)
  if (found === undefined || 'error' in found) throw new Error('there is no ring')
  const { state, leases } = found
  if (state.stats === undefined || leases === undefined) throw new Error('it is of format 1')
  const stats = { ...state.stats, oldestAt: NOW - 5 * MINUTE }
  return {
    ...{ device: 'a\x1bring', at: NOW },
    state: { ...state, stats, usedBytes: 80, capacityBytes: 100, ...changes.state },
    leases: { ...leases, ...changes.leases },
    holders: 'holders' in changes ? changes.holders : found.holders,
  }
}

async function problems(
  limits: Limits,
  changes: Parameters<typeof ringAt>[0] = {},
): Promise<readonly Problem[]> {
  return problemsOf(await ringAt(changes), limits)
}

/** What is said of them. */
async function messages(...args: Parameters<typeof problems>): Promise<readonly string[]> {
  return (await problems(...args)).map(({ message }) => message)
}

test('the age of the oldest item decides', async () => {
  const { stats } = (await ringAt({})).state
  if (stats === undefined) throw new Error('no stats')
  const at = (oldestAt: number): Parameters<typeof ringAt>[0] => ({
    state: { stats: { ...stats, oldestAt } },
  })
  const { oldestAt, ...undated } = stats
  const limits = { maxAge: 5 * MINUTE }
  expect(await messages(limits)).toEqual([])
  expect(await messages(limits, at(NOW - 5 * MINUTE - 1000))).toEqual([
    'the oldest item has waited 5 m 1 s, more than 5 m',
  ])
  expect(await messages(limits, at(NOW + MINUTE))).toEqual([])
  expect(await messages(limits, at(NOW + 60 * MINUTE))).toEqual([
    'the age of the oldest item is unknown: it was pushed 1 h from now, by another clock',
  ])
  expect(await messages(limits, { state: { stats: undated } })).toEqual([
    'the age of the oldest item is unknown: it is damaged',
  ])
  expect(await messages({}, { state: { stats: undated } })).toEqual([])
  expect(await messages(limits, { state: { stats: undated, waitingItems: 0 } })).toEqual([])
})

test('how full the ring is decides', async () => {
  expect(await messages({ maxFill: 0.8 })).toEqual([])
  expect(await messages({ maxFill: 0.795 })).toEqual(['80% full, more than 79.5%'])
})

test('the age of leases decides', async () => {
  const limits = { maxLeaseAge: 10 * MINUTE }
  expect(await messages(limits)).toEqual(['no role was ever leased'])
  expect(await messages({})).toEqual([])
  expect(await messages(limits, { leases: { producer: RECORD, consumer: NEVER } })).toEqual([])
  for (const [lease, done] of [
    [RECORD, 'last renewed'],
    [FREE, 'freed'],
  ] as const) {
    expect(await messages({ maxLeaseAge: MINUTE }, { leases: { consumer: lease } })).toEqual([
      `the consumer's lease was ${done} 10 m ago; 1 m are allowed`,
    ])
  }
  const ahead = { ...RECORD, time: NOW + 60 * MINUTE }
  expect(await messages(limits, { leases: { producer: ahead } })).toEqual([
    "the producer's lease was last renewed 1 h from now, by another clock; 10 m are allowed",
  ])
  const damaged = { status: 'damaged', field: 'owner', expected: 'a', found: 'b' } as const
  expect(await problems({}, { leases: { producer: damaged } })).toMatchObject([
    { what: 'lease', role: 'producer', message: expect.stringContaining('damaged: owner') },
  ])
})

test('held roles decide', async () => {
  const atWork = ['producer', 'consumer'] as const
  const holders = { producer: undefined, consumer: HELD }
  expect(await messages({ atWork }, { holders })).toEqual([
    'no producer is at work on this machine',
  ])
  expect(await messages({ atWork: ['consumer'] }, { holders })).toEqual([])
  expect(await messages({ atWork }, { holders: undefined })).toEqual([
    'the device does not tell which roles are held',
  ])
  expect(await messages({}, { holders: undefined })).toEqual([])
})

test('a ring that cannot be read is a problem without any limit', async () => {
  const unreadable = [
    { offset: 0, bytes: 4096 },
    { offset: 8192, bytes: 512 },
  ]
  expect(await messages({}, { state: { unreadable } })).toEqual(['4,608 bytes cannot be read'])
})

test('format 1 has no times, which only matters if items wait, and no leases', async () => {
  const old = await ringAt({})
  const { stats, waitingItems, waitingBytes, ...rest } = old.state
  const of = (usedBytes: number): RingSurvey => ({
    ...old,
    leases: undefined,
    state: { ...rest, format: 1, usedBytes },
  })
  const limits = { maxAge: MINUTE, maxLeaseAge: MINUTE, maxFill: 0.1 }
  expect(problemsOf(of(20), limits).map(({ message }) => message)).toEqual([
    'the age of the oldest item is unknown: format 1 records no times',
    '20% full, more than 10%',
    'format 1 has no leases',
  ])
  expect(problemsOf(of(0), { maxAge: MINUTE })).toEqual([])
  expect(checkLine(of(20), [])).toBe('a\\x1bring: ok, 20% full\n')
})

test('a device is told on one line', async () => {
  const holders = { producer: HELD, consumer: HELD }
  const ring = await ringAt({ holders })
  expect(checkLine(ring, [])).toBe(
    'a\\x1bring: ok, 1 item waiting, the oldest for 5 m, 80% full, at work: producer and consumer\n',
  )
  const limits = { maxAge: MINUTE, maxFill: 0.5 }
  const found = problemsOf(ring, limits)
  expect(checkLine(ring, found)).toBe(
    'a\\x1bring: the oldest item has waited 5 m, more than 1 m; 80% full, more than 50%\n',
  )
  expect(checkJson(ring, found)).toEqual({
    ...{ device: 'a\x1bring', ok: false, problems: found, format: 2, waitingItems: 1 },
    ...{ oldestAgeMs: 5 * MINUTE, fill: 0.8, suspended: false, atWork: ['producer', 'consumer'] },
  })
  const failed = { device: 'x', error: new CommandError(EXIT.fault, 'BLOCK_IO', 'bad\nsector') }
  expect(checkLine(failed, problemsOf(failed, {}))).toBe('x: bad\\nsector\n')
  expect(checkJson(failed, problemsOf(failed, {}))).toEqual({
    ...{ device: 'x', ok: false },
    problems: [{ what: 'device', code: 'BLOCK_IO', message: 'bad\nsector' }],
  })
})

test('times and shares are parsed as limits', () => {
  expect([0, 250, 3210, 60_000, 423_000, 3_600_000, 190_800_000].map(spanOfTime)).toEqual([
    ...['0 ms', '250 ms', '3.2 s', '1 m', '7 m 3 s', '1 h', '2 d 5 h'],
  ])
  expect(['80%', '0%', '12.5%', '100%'].map(parsePercent)).toEqual([0.8, 0, 0.125, 1])
  for (const text of ['80', '0.8', '101%', '-1%', '%', 'x']) {
    expect(() => parsePercent(text)).toThrow('expected a share such as 80%')
  }
})
