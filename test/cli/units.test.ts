import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { asCommandError } from '../../src/cli/errors.ts'
import { parseCount, parseDuration, parseSize } from '../../src/cli/flags/size.ts'
import { Frames } from '../../src/cli/input/frames.ts'
import { Lines } from '../../src/cli/input/lines.ts'
import type { ItemSplitter } from '../../src/cli/input/splitter.ts'
import { showProgress } from '../../src/cli/output/progress.ts'
import { WaitNotice } from '../../src/cli/output/wait-notice.ts'
import { BlockError } from '../../src/errors.ts'
import { preview, safeBytes, safeJson, safeText } from '../../src/text/render.ts'
import { frame } from './cli.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Feeds the input in pieces of every size. */
function splitEveryWay(make: () => ItemSplitter, input: Uint8Array): string[][] {
  return Array.from({ length: input.length + 1 }, (_, index) => {
    const splitter = make()
    const items: Uint8Array[] = []
    for (let at = 0; at < input.length; at += index + 1) {
      splitter.feed(input.subarray(at, at + index + 1), items)
    }
    splitter.end(items)
    return items.map((item) => Buffer.from(item).toString('hex'))
  })
}

describe('safe text', () => {
  test('has no character that a terminal acts on', () => {
    for (let code = 0; code < 0x3000; code++) {
      expect(safeText(String.fromCharCode(code))).not.toMatch(
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
        /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/,
      )
    }
    expect(safeText('\x1b[31m\x9b\x7f\n\u202e')).toBe('\\x1b[31m\\x9b\\x7f\\n\\u202e')
    expect(safeText('plain, ünï 🙂')).toBe('plain, ünï 🙂')
  })

  test('has no character that does not show, but for those of which words and emoji are made in items', () => {
    const hidden = 'a\u200bb\ufeffc\u{e0041}d\u00ade\u3164f\u2060g\u034fh\u{e0100}'
    const escapes = 'a\\u200bb\\ufeffc\\u{e0041}d\\xade\\u3164f\\u2060g\\u034fh\\u{e0100}'
    expect(safeText(hidden)).toBe(escapes)
    expect(safeBytes(bytes(hidden))).toBe(escapes)
    expect(JSON.parse(safeJson(hidden))).toBe(hidden)
    expect(safeJson(hidden)).toMatch(/^[ -~]+$/)
    const joined = 'می\u200cخواهم 👩\u200d💻 ❤\ufe0f'
    expect(safeBytes(bytes(joined))).toBe(joined)
    expect(safeText(joined)).toBe('می\\u200cخواهم 👩\\u200d💻 ❤\\ufe0f')
  })

  test('is made of invalid UTF-8 too', () => {
    expect(safeBytes(Uint8Array.of(0x61, 0xff, 0x1b, 0x9b))).toBe('a\\xff\\x1b\\x9b')
    expect(safeBytes(bytes('é\x1b'))).toBe('é\\x1b')
    expect(safeBytes(bytes('\ufeffx'))).toBe('\\ufeffx')
  })

  test('is cut to what fits, between characters', () => {
    expect(preview(bytes('abcdef'), 6)).toBe('abcdef')
    expect(preview(bytes('abcdefg'), 6)).toBe('abcde…')
    for (let columns = 1; columns < 20; columns++) {
      expect(preview(bytes('aé🙂'.repeat(100)), columns)).not.toContain('\\x')
    }
  })

  test('is escaped in JSON, with the same value', () => {
    const value = { text: '\x1b\x7f\x9b\u202e', n: 2n ** 60n }
    expect(safeJson(value)).toBe(
      '{"text":"\\u001b\\u007f\\u009b\\u202e","n":"1152921504606846976"}',
    )
    expect(JSON.parse(safeJson(value)).text).toBe(value.text)
  })
})

describe('lines', () => {
  test('are split wherever the pieces end', () => {
    const hex = (text: string): string => Buffer.from(text).toString('hex')
    for (const items of splitEveryWay(() => new Lines(10), bytes('one\n\ntwo\r\nlast'))) {
      expect(items).toEqual([hex('one'), '', hex('two\r'), hex('last')])
    }
    for (const items of splitEveryWay(() => new Lines(10), bytes('one\n'))) {
      expect(items).toEqual([hex('one')])
    }
  })

  test('are refused once they are too long, after those before', () => {
    const items: Uint8Array[] = []
    const lines = new Lines(3)
    expect(() => lines.feed(bytes('abc\nabcd'), items)).toThrow('may have 3 bytes')
    expect(items).toHaveLength(1)
  })
})

describe('frames', () => {
  test('are split wherever the pieces end', () => {
    const input = Buffer.concat(['a', '', '\n\0\xff', ''].map((text) => frame(bytes(text))))
    for (const items of splitEveryWay(() => new Frames(10), input)) {
      expect(items).toEqual(['61', '', Buffer.from(bytes('\n\0\xff')).toString('hex'), ''])
    }
  })

  test('are refused by what they promise', () => {
    expect(() => new Frames(10).feed(Buffer.from('ffffffff', 'hex'), [])).toThrow('has 4294967295')
    expect(() => new Frames(10).feed(Buffer.from('0b000000', 'hex'), [])).toThrow('has 11')
  })

  test('have to be whole at the end', () => {
    const cut = (hex: string) => () => {
      const frames = new Frames(10)
      frames.feed(Buffer.from(hex, 'hex'), [])
      frames.end()
    }
    expect(cut('0200')).toThrow('within its length: expected 4 bytes, found 2')
    expect(cut('0200000061')).toThrow('within its item: expected 2 bytes, found 1')
    expect(cut('0100000061')).not.toThrow()
  })
})

test('sizes, times and counts are parsed', () => {
  const sizes = ['512', '64K', '64M', '64KiB', '64 mib', '1GiB', '1GB', '1.5KiB'].map(parseSize)
  expect(sizes).toEqual([...[512, 65536, 2 ** 26, 65536, 2 ** 26, 2 ** 30, 1e9, 1536]])
  for (const text of ['', '0', '-1', '12x', '1.5', 'KiB', '9999999TiB']) {
    expect(() => parseSize(text)).toThrow('expected a size')
  }
  expect(['500ms', '10s', '2m', '1.5', '0'].map(parseDuration)).toEqual([500, 1e4, 12e4, 1500, 0])
  for (const text of ['', '1h', '-1s', '99999m']) {
    expect(() => parseDuration(text)).toThrow('expected a time')
  }
  expect(parseCount('3')).toBe(3)
  for (const text of ['0', '-1', '1.5', 'x']) expect(() => parseCount(text)).toThrow('whole number')
})

test('errors of the library are shown without advice to call it', () => {
  const message =
    'no such file (ENOENT); check the path, or make the file with FileBlockDevice.create'
  expect(asCommandError(new BlockError('BLOCK_OPEN', message, { device: 'f' })).message).toBe(
    'no such file (ENOENT); check the path, or make the file with sbr create',
  )
})

test('a wait is reported once, unless it is over soon', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const told: string[] = []
  const notice = new WaitNotice('a\x1bring', (text) => told.push(text))
  for (let turn = 0; turn < 5; turn++) {
    notice.waits('full')
    vi.advanceTimersByTime(900)
    notice.over()
  }
  expect(told).toEqual([])
  for (let turn = 0; turn < 3; turn++) {
    notice.waits('full')
    vi.advanceTimersByTime(1000)
  }
  expect(told).toEqual([
    "sbr: a\\x1bring is full; waiting for a consumer to make room; to see whether one is at work: sbr diagnostics $'a\\x1bring'\n",
  ])
  notice.waits('suspended')
  notice.waits('suspended')
  expect(told).toHaveLength(2)
  notice.over()
  notice.waits('suspended')
  expect(told).toHaveLength(3)
})

test('progress is shown on a terminal, once it takes long, and goes away', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  for (const isTTY of [true, false]) {
    const shown: string[] = []
    {
      using progress = showProgress('creating', { isTTY, write: (text) => shown.push(text) })
      progress.update(1 << 20, 4 << 20)
      expect(shown).toEqual([])
      vi.advanceTimersByTime(1000)
      progress.update(2 << 20, 4 << 20)
      progress.update(3 << 20, 4 << 20)
    }
    const bar = `\rcreating [${'#'.repeat(15)}${'.'.repeat(15)}] 50% 2 MiB/s  `
    expect(shown).toEqual(isTTY ? [bar, '\r\x1b[K'] : [])
  }
})
