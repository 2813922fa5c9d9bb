import { expect, test } from 'vitest'

test('bytes are equal if all of them are', () => {
  const bytes = Uint8Array.of(1, 2, 3)
  expect({ bytes }).toEqual({ bytes: bytes.slice() })
  expect({ bytes, more: 1 }).toMatchObject({ bytes: bytes.slice() })
  for (const other of [Uint8Array.of(1, 2, 4), Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3, 0)]) {
    expect(bytes).not.toEqual(other)
    expect({ bytes }).not.toMatchObject({ bytes: other })
    expect([bytes]).not.toContainEqual(other)
  }
})

test('bytes of different classes are not equal', () => {
  expect(Buffer.of(1, 2)).not.toEqual(Uint8Array.of(1, 2))
  expect(Uint8Array.of(1, 2)).not.toEqual([1, 2])
})
