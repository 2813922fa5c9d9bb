import { expect, test } from 'vitest'
import { type Circumstances, nextSteps } from '../../src/cli/device/next-steps.ts'
import type { SurveyedState } from '../../src/metrics/survey.ts'
import { asPosition } from '../../src/position.ts'
import { RECORD } from '../helpers/lease-record.ts'

const NOW = 1_700_000_600_000
const MINUTE = 60_000
const HELD = { holder: 'client "c"', pid: 7, host: 'h', since: '2023-11-14T22:00:00.000Z' }

const STATS: NonNullable<SurveyedState['stats']> = {
  ...{
    committedItems: 9,
    committedBytes: 9,
    acknowledgedItems: 1,
    acknowledgedBytes: 1,
    damagedItems: 0,
  },
  ...{ missedItems: 0, commits: 3, fullPushes: 0, producerAt: NOW, consumerAt: NOW, oldestAt: NOW },
}

function steps(state: Partial<SurveyedState> = {}, known: Partial<Circumstances> = {}): string {
  const ring: SurveyedState = {
    ...{
      format: 2,
      sectorSize: 512,
      sizeSectors: 100,
      capacityBytes: 100,
      usedBytes: 20,
      freeBytes: 80,
    },
    producer: { position: asPosition(0n), suspendAck: false, text: '' },
    consumer: { position: asPosition(0n), suspend: false, text: '' },
    ...{ waitingItems: 8, waitingBytes: 8, stats: STATS },
    ...state,
  } as SurveyedState
  return nextSteps(ring, {
    ...{ device: 'r', holders: { producer: undefined, consumer: undefined } },
    ...{ leases: undefined, now: NOW },
    ...known,
  })
    .map(({ what, run }) => [what, ...run].join('\n'))
    .join('\n')
}

const never = { status: 'never' } as const

test('a ring at work has none', () => {
  expect(steps()).toBe('')
  expect(steps({}, { holders: { producer: HELD, consumer: HELD } })).toBe('')
  expect(steps({ format: 1 })).toBe('')
})

test('a suspended ring is resumed', () => {
  const suspend = { position: asPosition(0n), suspend: true, text: '' }
  expect(steps({ consumer: suspend })).toMatch(/sbr resume r$/)
  const suspendAck = { position: asPosition(0n), suspendAck: true, text: '' }
  expect(steps({ producer: suspendAck, consumer: suspend })).toMatch(/sbr resume r$/)
  expect(steps({ producer: suspendAck })).toContain('start one')
  expect(
    steps({ producer: suspendAck }, { holders: { producer: HELD, consumer: undefined } }),
  ).toBe('')
})

test('a full ring is consumed, or gets more room', () => {
  expect(steps({ usedBytes: 95 })).toMatch(
    /^95% full, and no consumer.*\nsbr consume r\nsbr migrate r NEW --size SIZE$/,
  )
  expect(steps({ usedBytes: 95 }, { holders: { producer: undefined, consumer: HELD } })).toMatch(
    /^95% full: its consumer does not keep up/,
  )
  const ring = { uuid: 'u', name: '', blockSize: 512, onFull: 'overwrite' } as const
  expect(steps({ usedBytes: 95, ring })).toBe('')
})

test('a process that hangs is ended', () => {
  const holders = { producer: undefined, consumer: HELD }
  const stats = { ...STATS, consumerAt: NOW - 5 * MINUTE, oldestAt: NOW - 3 * MINUTE }
  expect(steps({ stats }, { holders })).toMatch(/acknowledged nothing for 3 m:.*\nkill 7$/)
  expect(steps({ stats: { ...stats, oldestAt: NOW } }, { holders })).toBe('')
  expect(steps({ stats, waitingItems: 0 }, { holders })).toBe('')
  const silent = { holder: 'process 12 of user 0, which does not answer' }
  expect(steps({}, { holders: { producer: silent, consumer: undefined } })).toMatch(
    /\nkill -KILL 12$/,
  )
  const unknown = { holder: 'another process' }
  expect(steps({}, { holders: { producer: undefined, consumer: unknown } })).toMatch(
    /is in another container, or hangs.*\nfuser -v r$/,
  )
})

test('a lease of a dead host is broken, and a fresh one left alone', () => {
  const held = { ...RECORD, status: 'held', timeoutMs: 30_000 } as const
  const leases = (time: number): Circumstances['leases'] => ({
    ...{ uuid: 'u', producer: never },
    consumer: { ...held, time },
  })
  expect(steps({}, { leases: leases(NOW - 3 * MINUTE) })).toMatch(
    /last heard of 3 min ago.*\nsbr lease break r --role consumer$/,
  )
  expect(steps({}, { leases: leases(NOW - 1000) })).toBe('')
  const damaged = { status: 'damaged', field: 'f', expected: 'e', found: 'f' } as const
  expect(steps({}, { leases: { uuid: 'u', producer: damaged, consumer: never } })).toContain(
    'sbr lease break r --role producer',
  )
  const unreadable = { status: 'unreadable', offset: 0, problem: 'p' } as const
  expect(steps({}, { leases: { uuid: 'u', producer: never, consumer: unreadable } })).toContain(
    'sbr repair r --zero-unreadable',
  )
})

test('what cannot be read is repaired', () => {
  expect(steps({ unreadable: [{ offset: 0, bytes: 512 }] })).toContain('sbr repair r --zero')
})
