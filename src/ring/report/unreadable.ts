import type { ByteRange } from '../types.ts'

/** The text about unreadable bytes. */
export function cannotRead({ offset, bytes }: ByteRange): string {
  return `cannot be read: the device fails at ${bytes} bytes from byte ${offset} on`
}
