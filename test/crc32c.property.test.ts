import { afterAll, describe, expect, test, vi } from 'vitest'
import { fc } from './helpers/property.ts'

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Longer than what either of them takes at once. */
const LONG_BYTES = 200_000

/** The definition: bit by bit. */
function simpleCrc(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

function noise(length: number): Uint8Array {
  let state = length
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state >>> 24
  })
}

vi.resetModules()
const { crc32c, crc32cEach } = await import('../src/checksum/crc32c.ts')
vi.resetModules()
vi.stubGlobal('WebAssembly', undefined)
const plain = await import('../src/checksum/crc32c.ts')
vi.unstubAllGlobals()
const made = await import('../src/checksum/crc32c-wasm.ts')

afterAll(() => vi.resetModules())

test('WebAssembly is used where there is any, and only there', () => {
  const tables = [new Int32Array(256)]
  expect(made.makeWasmCrc(tables)).toBeDefined()
  vi.stubGlobal('WebAssembly', undefined)
  expect(made.makeWasmCrc(tables)).toBeUndefined()
  vi.unstubAllGlobals()
})

describe.each([
  ['with WebAssembly', crc32c, crc32cEach],
  ['without', plain.crc32c, plain.crc32cEach],
])('%s', (_, crc, crcEach) => {
  test('the published check values', () => {
    expect(crc(new Uint8Array())).toBe(0)
    expect(crc(ascii('123456789'))).toBe(0xe3069283)
    // RFC 3720, B.4
    expect(crc(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(crc(Uint8Array.from({ length: 32 }, (_, n) => n))).toBe(0x46dd794e)
  })

  test('pieces give the same as the whole, and one bit changes it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(), (bytes, n) => {
        const cut = n % bytes.length
        const whole = crc(bytes)
        expect(whole).toBe(simpleCrc(bytes))
        expect(crc(bytes.subarray(cut), crc(bytes.subarray(0, cut)))).toBe(whole)
        const flipped = bytes.slice()
        flipped[cut] = (flipped[cut] ?? 0) ^ (1 << (n % 8))
        expect(crc(flipped)).not.toBe(whole)
      }),
    )
  })

  test('memory of any kind and length', () => {
    const bytes = noise(LONG_BYTES)
    const expected = simpleCrc(bytes)
    expect(crc(bytes)).toBe(expected)
    expect(crc(Buffer.from(bytes))).toBe(expected)
    const resizable = new ArrayBuffer(LONG_BYTES, { maxByteLength: LONG_BYTES + 1 })
    new Uint8Array(resizable).set(bytes)
    expect(crc(new Uint8Array(resizable))).toBe(expected)
  })

  test('lengths around those from which on units are left out', () => {
    for (const length of [
      303, 304, 319, 320, 321, 383, 384, 385, 399, 400, 401, 415, 416, 417, 2559, 4096, 57_040,
      57_041,
    ]) {
      const bytes = noise(length)
      expect(crc(bytes)).toBe(simpleCrc(bytes))
      expect(crc(bytes.subarray(5), crc(bytes.subarray(0, 5)))).toBe(simpleCrc(bytes))
    }
  })

  test('a long piece leaves nothing behind that a later one would count', () => {
    for (const length of [50_000, 1000, 416, 20_000, 400]) {
      const bytes = noise(length)
      expect(crc(bytes)).toBe(simpleCrc(bytes))
    }
  })

  test('many pieces at once, wherever they end', () => {
    const bytes = noise(LONG_BYTES)
    for (const lengths of [[], [0], [0, 1, 0, 15, 16, 17, 0], [LONG_BYTES - 3], [99_999, 99_998]]) {
      let at = 3
      const expected = lengths.map((length) => {
        at += length
        return simpleCrc(bytes.subarray(at - length, at))
      })
      expect(Array.from(crcEach(bytes, 3, lengths))).toEqual(expected)
    }
    const middling = Array.from({ length: 40 }, (_, n) => 3000 + 77 * n)
    let from = 0
    const each = middling.map((length) => {
      from += length
      return simpleCrc(bytes.subarray(from - length, from))
    })
    expect(Array.from(crcEach(bytes, 0, middling))).toEqual(each)
    const small = Array.from({ length: LONG_BYTES / 100 }, () => 100)
    const expected = small.map((length, n) => crc(bytes.subarray(n * length, (n + 1) * length)))
    expect(Array.from(crcEach(bytes, 0, small))).toEqual(expected)
  })

  test('bytes are told of before they are read: each at least once, and none after it was', () => {
    const bytes = new Uint8Array(LONG_BYTES)
    const made = noise(LONG_BYTES)
    const lengths = [10, 0, 70_000, 4096, 90_000, 300]
    let to = 3
    const found = crcEach(bytes, 3, lengths, (from, end) => {
      expect(from).toBeLessThanOrEqual(to)
      bytes.set(made.subarray(to, end), to)
      to = Math.max(to, end)
    })
    expect(Array.from(found)).toEqual(Array.from(crcEach(made, 3, lengths)))
  })
})
