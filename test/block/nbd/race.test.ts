import { expect, test } from 'vitest'
import { reasonOf } from '../../../src/block/nbd/errors.ts'
import { type Attempt, alternating, race } from '../../../src/block/nbd/handshake/race.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'

/** Attempts that a test settles, by their names. */
function scene(names: readonly string[]) {
  const clock = new FakeClock()
  const begun: string[] = []
  const givenUp: string[] = []
  const settle = new Map<string, { resolve(): void; reject(error: Error): void }>()
  const attempts: Attempt<string>[] = names.map((name) => ({
    name,
    connect: (signal) =>
      new Promise((resolve, reject) => {
        begun.push(name)
        signal.addEventListener('abort', () => givenUp.push(name))
        settle.set(name, { resolve: () => resolve(name), reject })
      }),
  }))
  const giveUp = new AbortController()
  const winner = race(attempts, giveUp.signal, clock)
  winner.catch(() => undefined)
  const fail = async (name: string, message = 'refused'): Promise<void> => {
    settle.get(name)?.reject(new Error(message))
    await clock.settle()
  }
  const connect = async (name: string): Promise<void> => {
    settle.get(name)?.resolve()
    await clock.settle()
  }
  return { clock, begun, givenUp, giveUp, winner, fail, connect }
}

test('a slow address that is the only one that works has all the time there is', async () => {
  const { clock, begun, winner, fail, connect } = scene(['slow', 'closed'])
  expect(begun).toEqual(['slow'])
  await clock.advance(249)
  expect(begun).toEqual(['slow'])
  await clock.advance(1)
  expect(begun).toEqual(['slow', 'closed'])
  await fail('closed')
  await clock.advance(3_600_000)
  await connect('slow')
  expect(await winner).toBe('slow')
  expect(clock.sleepers).toBe(0)
})

test('the next address is tried at once when one fails, and the first that answers is taken', async () => {
  const { clock, begun, givenUp, winner, fail, connect } = scene(['a', 'b', 'c', 'd'])
  await fail('a')
  expect(begun).toEqual(['a', 'b'])
  await clock.advance(250)
  expect(begun).toEqual(['a', 'b', 'c'])
  await connect('c')
  expect(await winner).toBe('c')
  expect(givenUp).toContain('b')
  await clock.advance(10_000)
  expect(begun).toEqual(['a', 'b', 'c'])
})

test('the reason of each address is reported if all fail', async () => {
  const { winner, fail } = scene(['::1', '127.0.0.1'])
  await fail('::1', 'refused')
  await fail('127.0.0.1', 'no way there')
  await expect(winner).rejects.toThrow('::1: refused; 127.0.0.1: no way there')
})

test('the failure of a single address is thrown as it is', async () => {
  const { winner, fail } = scene(['::1'])
  await fail('::1', 'refused')
  await expect(winner).rejects.toThrow(/^refused$/)
})

test('a host without an address fails with a reason', async () => {
  await expect(scene([]).winner).rejects.toThrow('the host has no address')
})

test('connecting ends with the signal’s reason, and drops the attempts that it began', async () => {
  const { clock, givenUp, giveUp, winner } = scene(['a', 'b'])
  await clock.advance(250)
  giveUp.abort(new Error('too late'))
  await expect(winner).rejects.toThrow('too late')
  expect(givenUp).toEqual(['a', 'b'])
  expect(clock.sleepers).toBe(0)
})

test.each([
  [
    [6, 6, 6, 4],
    [6, 4, 6, 6],
  ],
  [
    [4, 6, 6],
    [4, 6, 6],
  ],
  [
    [4, 4],
    [4, 4],
  ],
  [[], []],
])('families take turns: %j', (families, expected) => {
  const addresses = families.map((family) => ({ family }))
  expect(alternating(addresses).map(({ family }) => family)).toEqual(expected)
})

test.each([
  [new AggregateError([new Error('refused')]), 'refused'],
  [new AggregateError([new AggregateError([])]), 'an error without a message'],
  [Object.assign(new Error(), { code: 'EODD' }), 'EODD'],
  [new Error(), 'an error without a message'],
])('no reason is empty: %s', (error, expected) => {
  expect(reasonOf(error)).toBe(expected)
})
