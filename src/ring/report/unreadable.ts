import type { ByteRange } from '../types.ts'

/** Says that some bytes are unreadable. */
export function cannotRead({ offset, bytes }: ByteRange): string {
  return `cannot be read: the device fails at ${bytes} bytes from byte ${offset} on`
}
