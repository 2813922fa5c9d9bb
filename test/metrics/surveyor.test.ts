import { beforeEach, expect, test, vi } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { surveys } from '../../src/cli/device/survey.ts'
import { systemClock } from '../../src/clock.ts'
import { Instruments } from '../../src/metrics/index.ts'
import type { RingSurvey } from '../../src/metrics/survey.ts'
import { type SurveyLimit, Surveyor, type SurveyTarget } from '../../src/metrics/surveyor.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'

const LIMIT: SurveyLimit = { ms: 8000, inAll: true, tooLate: (device) => `${device} is late` }

let clock: FakeClock
beforeEach(() => {
  clock = new FakeClock()
  const sleepHere = systemClock.sleep.bind(systemClock)
  const sleep = vi.spyOn(systemClock, 'sleep').mockImplementation((ms, signal, options) => {
    // Files share a process: idle writers that tests of another one left open sleep in the background.
    return options?.background === true ? sleepHere(ms, signal, options) : clock.sleep(ms, signal)
  })
  const now = vi.spyOn(systemClock, 'now').mockImplementation(() => clock.now())
  return () => {
    sleep.mockRestore()
    now.mockRestore()
  }
})

/** A ring that is there once it is told to be. */
function slow(device: string): SurveyTarget & { looks: number; answer: () => void } {
  const ring = {
    ...{ device, looks: 0, answer: (): void => undefined },
    survey: (): Promise<RingSurvey> => {
      ring.looks++
      return new Promise((resolve) => {
        ring.answer = () => resolve({ device, state: {} } as RingSurvey)
      })
    },
  }
  return ring
}

function quick(device: string): SurveyTarget {
  return { device, survey: async () => ({ device, state: {} }) as RingSurvey }
}

/** What was told, by now. */
async function toldBy(
  told: Promise<readonly object[]>,
  ms: number,
): Promise<readonly object[] | undefined> {
  let answer: readonly object[] | undefined
  told.then(
    (all) => {
      answer = all
    },
    () => undefined,
  )
  await clock.advance(ms)
  return answer
}

test('a ring that does not answer costs one survey, and its time limit once', async () => {
  const [hung, sound] = [slow('hung'), quick('sound')]
  const looks = new Surveyor()
  const late = { device: 'hung', error: 'hung is late' }
  const seen = { device: 'sound', state: {} }
  const first = looks.surveyAll([hung, sound], LIMIT)
  expect(await toldBy(first, 7999)).toBeUndefined()
  expect(await toldBy(first, 1)).toEqual([late, seen])
  for (let scrape = 0; scrape < 3; scrape++) {
    expect(await toldBy(looks.surveyAll([hung, sound], LIMIT), 0)).toEqual([late, seen])
  }
  expect(hung.looks).toBe(1)
  hung.answer()
  const again = looks.surveyAll([hung, sound], LIMIT)
  await clock.settle()
  hung.answer()
  expect(await again).toEqual([{ device: 'hung', state: {} }, seen])
  expect([hung.looks, clock.sleepers]).toEqual([2, 0])
})

test('callers that ask meanwhile share a survey, and its time limit', async () => {
  const hung = slow('hung')
  const looks = new Surveyor()
  const first = looks.surveyAll([hung], LIMIT)
  await clock.advance(5000)
  const other = looks.surveyAll([hung], LIMIT)
  expect(await toldBy(other, 3000)).toEqual([{ device: 'hung', error: 'hung is late' }])
  expect(await first).toEqual(await other)
  expect(hung.looks).toBe(1)
})

test('rings that do not answer keep no other from being surveyed', async () => {
  const hung = Array.from({ length: 12 }, (_, at) => slow(`hung ${at}`))
  const looks = new Surveyor()
  const told = await toldBy(looks.surveyAll([...hung, quick('sound')], LIMIT), 8000)
  expect(told?.at(-1)).toEqual({ device: 'sound', state: {} })
  expect(told?.filter((one) => 'error' in one)).toHaveLength(12)
})

test('all surveys together take no longer than one, unless each has its own time limit', async () => {
  const hung = Array.from({ length: 100 }, (_, at) => slow(`hung ${at}`))
  const told = await toldBy(new Surveyor().surveyAll(hung, LIMIT), 8000)
  expect(told).toEqual(hung.map(({ device }) => ({ device, error: `${device} is late` })))
  const begun = hung.filter(({ looks }) => looks > 0).length
  expect(begun).toBeGreaterThan(4)
  expect(begun).toBeLessThan(100)
  const all = Array.from({ length: 100 }, (_, at) => slow(`hung ${at}`))
  const answer = await toldBy(new Surveyor().surveyAll(all, { ...LIMIT, inAll: false }), 60_000)
  expect(answer).toHaveLength(100)
  expect(all.every(({ looks }) => looks === 1)).toBe(true)
})

test('a failure is reported, and a signal ends all surveys', async () => {
  const stop = new AbortController()
  const looks = new Surveyor(stop.signal)
  const bad = { device: 'bad', survey: () => Promise.reject(new Error('no')) }
  expect(await looks.surveyAll([bad], LIMIT)).toEqual([{ device: 'bad', error: new Error('no') }])
  const ended: unknown[] = []
  const hung = {
    device: 'hung',
    survey: (over: AbortSignal): Promise<RingSurvey> => {
      over.addEventListener('abort', () => ended.push(over.reason))
      return new Promise(() => undefined)
    },
  }
  const looking = looks.surveyAll([hung, bad], LIMIT)
  await clock.settle()
  stop.abort(new Error('enough'))
  await expect(looking).rejects.toThrow('enough')
  expect(ended).toEqual([new Error('enough')])
  expect(clock.sleepers).toBe(0)
})

test('instruments survey a device once that does not answer', async () => {
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 1024 }))
  await Producer.create(device)
  device.take()
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  device.before = () => released
  using instruments = new Instruments({ rings: { hung: device } })
  const up = async (ms: number): Promise<unknown> => {
    const families = await toldBy(instruments.collect(), ms)
    return families?.flatMap((family) => {
      return 'name' in family && family.name === 'shared_block_ring_up' && 'samples' in family
        ? family.samples
        : []
    })
  }
  const down = [{ labels: { device: 'hung' }, value: 0 }]
  expect(await up(8000)).toEqual(down)
  const { length: asked } = device.requests
  expect(asked).toBeGreaterThan(0)
  expect(await up(0)).toEqual(down)
  expect(await up(0)).toEqual(down)
  expect(device.requests).toHaveLength(asked)
  device.before = () => undefined
  release()
  await clock.settle()
  expect(await up(0)).toEqual([{ labels: { device: 'hung' }, value: 1 }])
})

test('sbr serve reports a missing device', async () => {
  const { signal } = new AbortController()
  const survey = surveys(['/nonexistent/ring'], {}, signal)
  const told = { device: '/nonexistent/ring', error: { code: 'BLOCK_OPEN' } }
  expect(await survey()).toMatchObject([told])
  expect(await survey()).toMatchObject([told])
})
