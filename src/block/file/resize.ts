import { ftruncate } from 'node:fs'
import { promisify } from 'node:util'
import { type FillOptions, fillWithZeroes } from './io/fill.ts'

const ftruncateCall = promisify(ftruncate)

/**
 * Makes a file longer or shorter. A longer one is written in full; if that fails it gets its old length back.
 * @throws {Error} the system error, or the signal's reason
 */
export async function resizeFile(
  fd: number,
  fromBytes: number,
  toBytes: number,
  sectorSize: number,
  options: FillOptions = {},
): Promise<void> {
  if (toBytes <= fromBytes) return ftruncateCall(fd, toBytes)
  try {
    await fillWithZeroes(fd, fromBytes, toBytes, sectorSize, options)
  } catch (error) {
    await ftruncateCall(fd, fromBytes).catch(() => undefined)
    throw error
  }
}
