import { describe, expect, test } from 'vitest'

const { flushesIn } = (await import(
  new URL('../../bench/lib/durability.mjs', import.meta.url).href
)) as { flushesIn: (trace: string) => Record<string, number> }

/** What a worker asks for around its 20 pushes. */
const begin = '7 access("bench-begin-push", F_OK) = -1 ENOENT (No such file or directory)'
const end = '7 access("bench-end-push", F_OK) = -1 ENOENT (No such file or directory)'
const twenty = (line: string): string[] => Array.from({ length: 20 }, () => line)

const flushes = (...lines: string[]): Record<string, number> => flushesIn(lines.join('\n'))

describe('the counter of flushes in a trace', () => {
  test('counts calls that flush, between the marks only, also where another thread interrupts', () => {
    const interrupted = ['8 fdatasync(21 <unfinished ...>', '8 <... fdatasync resumed>) = 0']
    const lines = [...twenty('7 fsync(21) = 0'), ...interrupted]
    expect(flushes('7 fsync(21) = 0', begin, ...lines, end, '7 fsync(21) = 0')).toEqual({
      push: 21 / 20,
    })
  })

  test('counts writes to files opened with O_SYNC or O_DSYNC, until they are closed', () => {
    const opened = '7 openat(AT_FDCWD, "ring", O_RDWR|O_DSYNC|O_CLOEXEC) = 21'
    const writes = twenty('9 pwrite64(21, "..."..., 4096, 0) = 4096')
    expect(flushes(opened, begin, ...writes, end)).toEqual({ push: 1 })
    expect(flushes(opened, '7 close(21) = 0', begin, ...writes, end)).toEqual({ push: 0 })
  })

  test('ignores another process that has a descriptor of the same number', () => {
    const opened = '8 openat(AT_FDCWD</tmp>, "ring", O_RDWR|O_DSYNC) = 21</tmp/ring>'
    const writes = twenty('8 pwrite64(21</tmp/ring>, "..."..., 4096, 0) = 4096')
    const others = [
      '7 close(21</dev/null>) = 0',
      '7 openat(AT_FDCWD</tmp>, "x", O_RDWR) = 21</tmp/x>',
    ]
    expect(flushes(opened, begin, ...others, ...writes, end)).toEqual({ push: 1 })
  })

  test('counts no other writes, except those that ask for a flush', () => {
    const opened = '7 openat(AT_FDCWD, "ring", O_RDWR|O_CLOEXEC) = 21'
    const plain = twenty('7 pwrite64(21, "..."..., 4096, 0) = 4096')
    const asking = twenty('7 pwritev2(21, [...], 1, 0, RWF_DSYNC) = 4096')
    expect(flushes(opened, begin, ...plain, end)).toEqual({ push: 0 })
    expect(flushes(opened, begin, ...asking, end)).toEqual({ push: 1 })
  })
})
