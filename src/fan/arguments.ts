import { isDevice } from '../block/check-device.ts'
import { RingError } from '../errors.ts'
import { RingReader } from '../ring/queue/reader.ts'
import { isClosed, RingWriter } from '../ring/queue/writer.ts'
import { shown } from '../util/options.ts'

/**
 * Checks that a call was given a list, and not one of its elements.
 * @param of the elements, for the message
 * @throws {TypeError} it is something else; the characters of a text are no list either
 */
export function checkList(call: string, of: string, list: unknown): void {
  if (typeof list === 'object' && list !== null && Symbol.iterator in list) return
  const name = nameOf(list)
  const found = name === undefined ? described(list) : `one ${name}`
  throw new TypeError(`${call} takes an array of ${of}, not ${found}`)
}

/** @throws {TypeError} it is no reader */
export function checkReader(call: string, reader: unknown): void {
  if (!(reader instanceof RingReader)) throw isNone(call, 'RingReader', reader)
}

/**
 * Checks that something is an open writer.
 * @throws {TypeError} it is no writer
 * @throws {RingError} `RING_CLOSED`
 */
export function checkWriter(call: string, writer: unknown): void {
  if (!(writer instanceof RingWriter)) throw isNone(call, 'RingWriter', writer)
  if (!isClosed(writer)) return
  const { name } = writer.producer.device
  const message = `The writer of ${name} was closed: open it again, and add it`
  throw new RingError('RING_CLOSED', message, { device: name })
}

/** What programs pass in place of something else. */
export function nameOf(value: unknown): string | undefined {
  if (value instanceof RingReader) return 'reader'
  if (value instanceof RingWriter) return 'writer'
  if (value instanceof Promise) return 'promise'
  return isDevice(value) ? 'block device' : undefined
}

function isNone(call: string, type: string, value: unknown): TypeError {
  const advice =
    value instanceof Promise ? `: await ${type}.open(device)` : `; ${type}.open(device) makes one`
  return new TypeError(`${call} takes ${type}s, not ${described(value)}${advice}`)
}

function described(value: unknown): string {
  const name = nameOf(value)
  if (name !== undefined) return `a ${name}`
  return typeof value === 'string' ? 'a text' : shown(value)
}
