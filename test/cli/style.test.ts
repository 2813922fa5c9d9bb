import { expect, test } from 'vitest'
import { humanBytes, humanTime, styleFor, tableText } from '../../src/cli/output/style.ts'

test('sizes are rounded for people', () => {
  const sizes = [0, 1, 1023, 1024, 1536, 7_012_352, 64 << 20, 2 ** 20 - 1, 5 * 2 ** 40, 2 ** 62]
  expect(sizes.map(humanBytes)).toEqual([
    ...['0 bytes', '1 byte', '1023 bytes', '1 KiB', '1.5 KiB', '6.7 MiB', '64 MiB', '1 MiB'],
    ...['5 TiB', '4096 PiB'],
  ])
})

test('times are rounded for people', () => {
  const now = 1_700_000_000_000
  const ages = [0, 999, 4000, 59_999, 4 * 60_000, 3 * 3_600_000, 50 * 3_600_000]
  expect(ages.map((ms) => humanTime(now - ms, now))).toEqual([
    ...['just now', 'just now', '4 s ago', '59 s ago', '4 min ago', '3 h ago', '2 d ago'],
  ])
  expect(humanTime(now + 7_200_000, now)).toBe('in 2 h')
  expect(humanTime(1e16, now)).toBe('at 10000000000000000 ms')
})

test('a terminal gets rounded numbers, everything else exact ones', () => {
  const terminal = { kind: 'terminal', columns: 40 } as const
  const human = styleFor(terminal)
  expect([human.bytes(2048), human.position('3:99954'), human.position('12345')]).toEqual([
    ...['2 KiB', '#99,954', '12345'],
  ])
  for (const exact of [styleFor(terminal, true), styleFor({ kind: 'file', columns: 80 })]) {
    expect([exact.bytes(2048), exact.position('3:99954')]).toEqual(['2,048 bytes', '3:99954'])
    expect(exact.when(0)).toBe('at 1970-01-01T00:00:00.000Z')
  }
})

test('a table is wrapped on a terminal only', () => {
  const value = 'a long value that does not fit the line of a terminal'
  const paint = (_: unknown, text: string): string => text
  const narrow = { ...styleFor({ kind: 'terminal', columns: 40 }), paint }
  expect(tableText([['name', value]], 6, narrow)).toBe(
    '  name    a long value that does not fit\n          the line of a terminal\n',
  )
  const pipe = { ...styleFor({ kind: 'stream', columns: 40 }), paint }
  expect(tableText([['name', `two  spaces, ${value}`]], 6, pipe)).toBe(
    `  name    two  spaces, ${value}\n`,
  )
})
