import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32c } from '../src/crc32c.ts'

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

test('the published check values', () => {
  expect(crc32c(new Uint8Array())).toBe(0)
  expect(crc32c(ascii('123456789'))).toBe(0xe3069283)
  // RFC 3720, B.4
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, n) => n))).toBe(0x46dd794e)
})

test('pieces give the same as the whole, and one bit changes it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.nat(), (bytes, n) => {
      const cut = n % bytes.length
      const whole = crc32c(bytes)
      expect(crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))).toBe(whole)
      const flipped = bytes.slice()
      flipped[cut] = (flipped[cut] ?? 0) ^ (1 << (n % 8))
      expect(crc32c(flipped)).not.toBe(whole)
    }),
  )
})
