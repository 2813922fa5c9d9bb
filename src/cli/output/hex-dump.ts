import type { RingDump } from '../../ring/report/dump.ts'
import type { ByteRange } from '../../ring/types.ts'
import { grouped, safeText } from '../../text/render.ts'

/** Bytes in a line of a hex dump. */
const LINE_BYTES = 16
const OFFSET_COLUMNS = 12

/** The structure at an offset of a device, as text. */
export function dumpText(path: string, dump: RingDump): string {
  const { format, structure, start, length, problem, fields, offset, bytes, unreadable } = dump
  const title =
    `${safeText(path)}, format ${format}: ${structure}, ${grouped(length)} bytes from byte ${start}` +
    `${problem === undefined ? '' : `\nDamaged: ${safeText(problem)}`}\n`
  const names = Math.max(0, ...fields.map(({ name }) => name.length))
  const rows = fields.map(
    (field) =>
      `${String(field.offset).padStart(OFFSET_COLUMNS)}  ${String(field.bytes).padStart(3)}  ` +
      `${field.name.padEnd(names)}  ${safeText(field.value)}\n`,
  )
  return `${title}${rows.join('')}\n${hexDump(bytes, offset, unreadable)}`
}

/** Lines of 16 bytes each, in hexadecimal and printable ASCII. Unreadable bytes are question marks. */
export function hexDump(
  bytes: Uint8Array,
  offset: number,
  unreadable: readonly ByteRange[] = [],
): string {
  const isLost = (at: number): boolean =>
    unreadable.some((range) => range.offset <= at && at < range.offset + range.bytes)
  let text = ''
  for (let at = 0; at < bytes.length; at += LINE_BYTES) {
    const line = Array.from(bytes.subarray(at, at + LINE_BYTES))
    const hex = line
      .map((byte, index) =>
        isLost(offset + at + index) ? '??' : byte.toString(16).padStart(2, '0'),
      )
      .join(' ')
    const ascii = line.map((byte, index) => {
      if (isLost(offset + at + index)) return '?'
      return byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'
    })
    const address = String(offset + at).padStart(OFFSET_COLUMNS)
    text += `${address}  ${hex.padEnd(3 * LINE_BYTES - 1)}  |${ascii.join('')}|\n`
  }
  return text
}
