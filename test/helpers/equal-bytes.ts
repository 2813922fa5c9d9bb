import { expect } from 'vitest'

// `toEqual` and its kind compare bytes one by one, as keys of an object: a mebibyte takes a second. What is of one
// class is compared at once; the rest is left to them.
expect.addEqualityTesters([
  (one, other) =>
    one instanceof Uint8Array &&
    other instanceof Uint8Array &&
    one.constructor === other.constructor
      ? Buffer.compare(one, other) === 0
      : undefined,
])
