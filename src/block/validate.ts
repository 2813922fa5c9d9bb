import { BlockError } from '../errors.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import type { AskOptions, BlockInfo, ClaimOptions, RequestOptions, WriteOptions } from './device.ts'
import { type AskedPermit, asked } from './permit.ts'

/** Role names that `claim` takes. */
const ROLE = /^[a-z0-9-]{1,32}(@[0-9]{1,16})?$/

/** The most bytes of a request to a role's holder. */
export const MAX_REQUEST_BYTES = 1024

/** Milliseconds after which `ask` gives up on a holder. */
export const ASK_TIMEOUT_MS = 1000

/** The number of whole sectors in a number of bytes, and the remaining bytes. */
export function wholeSectors(sizeBytes: number, sectorSize: number): Omit<BlockInfo, 'readWrite'> {
  const unusedBytes = sizeBytes % sectorSize
  const sizeSectors = (sizeBytes - unusedBytes) / sectorSize
  return { sectorSize, sizeSectors, ...(unusedBytes > 0 && { unusedBytes }) }
}

/**
 * Checks that a run of sectors lies on the device.
 * @throws {TypeError} a number is not a safe integer
 * @throws {RangeError} the run is not within the device
 */
export function checkSectors(info: BlockInfo, sectorStart: number, sectors: number): void {
  if (!Number.isSafeInteger(sectorStart)) {
    throw new TypeError(`sectorStart must be a safe integer, but is ${String(sectorStart)}`)
  }
  if (!Number.isSafeInteger(sectors)) {
    throw new TypeError(`the number of sectors must be a safe integer, but is ${String(sectors)}`)
  }
  if (sectorStart < 0 || sectors < 0 || sectorStart + sectors > info.sizeSectors) {
    throw new RangeError(
      `sectors ${sectorStart} to ${sectorStart + sectors} (exclusive) are not within the device's ` +
        `${info.sizeSectors} sectors`,
    )
  }
}

/**
 * Checks the arguments of `read` and `write`, and returns the number of sectors that they cover.
 * @throws {TypeError} an argument has the wrong type
 * @throws {RangeError} a buffer is no whole number of sectors, or the request leaves the device
 */
export function checkTransfer(
  info: BlockInfo,
  sectorStart: number,
  buffers: readonly Uint8Array[],
  singleSectorBuffers = false,
): number {
  if (!Array.isArray(buffers)) throw new TypeError('buffers must be an array of Uint8Array')
  let bytes = 0
  for (let index = 0; index < buffers.length; index++) {
    const buffer = buffers[index] as Uint8Array
    if (!(buffer instanceof Uint8Array)) {
      throw new TypeError(`buffer ${index} must be a Uint8Array`)
    }
    if (buffer.byteLength % info.sectorSize !== 0) {
      throw new RangeError(
        `buffer ${index} must be a whole number of ${info.sectorSize}-byte sectors, but is ` +
          `${buffer.byteLength} bytes`,
      )
    }
    if (singleSectorBuffers && buffer.byteLength !== info.sectorSize) {
      throw new RangeError(
        `buffer ${index} must be exactly one sector of ${info.sectorSize} bytes, but is ` +
          `${buffer.byteLength} bytes`,
      )
    }
    bytes += buffer.byteLength
  }
  const sectors = bytes / info.sectorSize
  checkSectors(info, sectorStart, sectors)
  return sectors
}

/**
 * Checks a role's name.
 * @throws {TypeError} it is not one
 */
export function checkRole(role: string): void {
  if (typeof role !== 'string' || !ROLE.test(role)) {
    throw new TypeError(
      `a role is 1 to 32 characters of a-z, 0-9 and '-', and perhaps '@' and a sector, not ` +
        `'${String(role)}'`,
    )
  }
}

/** Types of the options of a request, and of one that writes. */
export const REQUEST_KINDS: OptionKinds<RequestOptions> = { permit: 'function' }
export const WRITE_KINDS: OptionKinds<WriteOptions> = { ...REQUEST_KINDS, durable: 'boolean' }

const ASK_KINDS: OptionKinds<AskOptions> = { key: 'function' }
const CLAIM_KINDS: OptionKinds<ClaimOptions> = {
  ...ASK_KINDS,
  holder: 'string',
  onRequest: 'function',
  onHint: 'function',
  peer: 'string',
}

/**
 * The permit of a request that was made with options.
 * @throws {TypeError} as `checkOptions`
 */
export function askedOf<Options extends RequestOptions>(
  call: string,
  options: Options | undefined,
  kinds: OptionKinds<Options>,
): AskedPermit {
  if (options !== undefined) checkOptions(call, options, kinds)
  return asked(options?.permit)
}

/**
 * Checks how a role's holder is asked.
 * @throws {TypeError} as `checkOptions`
 */
export function checkAskOptions(call: string, options: AskOptions): void {
  checkOptions(call, options, ASK_KINDS)
}

/**
 * Checks how a role is claimed.
 * @throws {TypeError} as `checkOptions`; there is no holder
 */
export function checkClaimOptions(options: ClaimOptions): void {
  checkOptions('claim', options, CLAIM_KINDS)
  if (options.holder === undefined) {
    throw new TypeError('a claim has to name its holder: { holder: string }')
  }
  if (options.peer !== undefined) checkRole(options.peer)
}

/**
 * Checks a request to a role's holder.
 * @throws {TypeError} it is no string
 * @throws {RangeError} it is more than a line, or too long
 */
export function checkRequest(request: string): void {
  if (typeof request !== 'string') {
    throw new TypeError(`a request must be a string, but is ${String(request)}`)
  }
  if (/[\r\n]/.test(request) || new TextEncoder().encode(request).length > MAX_REQUEST_BYTES) {
    throw new RangeError(`a request is one line of at most ${MAX_REQUEST_BYTES} bytes`)
  }
}

/**
 * Checks a sector size: a power of two from 512 to 65536.
 * @throws {RangeError} it is not one
 */
export function checkSectorSize(sectorSize: number): void {
  if (!(sectorSize >= 512 && sectorSize <= 65536 && Number.isInteger(Math.log2(sectorSize)))) {
    throw new RangeError(`a sector size is a power of two from 512 to 65536, not ${sectorSize}`)
  }
}

/** The error of a device that was disconnected. */
export function disconnected(device: string): BlockError<'BLOCK_DISCONNECTED'> {
  return new BlockError('BLOCK_DISCONNECTED', `${device} is disconnected`, { device })
}

/** The error of a read-only device. */
export function readOnly(device: string): BlockError<'BLOCK_READ_ONLY'> {
  return new BlockError('BLOCK_READ_ONLY', `${device} is read-only; nothing was written`, {
    device,
  })
}

/**
 * The error of a device that does not support an operation.
 * @param device its `name`
 * @param operation as in `sim does not support discard`
 */
export function unsupportedError(
  device: string,
  operation: string,
): BlockError<'BLOCK_UNSUPPORTED'> {
  return new BlockError('BLOCK_UNSUPPORTED', `${device} does not support ${operation}`, { device })
}

/**
 * The error of a claim on a role that is taken.
 * @param device its `name`
 * @param holder the name that the holder's claim gave
 */
export function claimedError(
  device: string,
  role: string,
  holder: string,
): BlockError<'BLOCK_CLAIMED'> {
  return new BlockError(
    'BLOCK_CLAIMED',
    `the ${role} role of ${device} is held by ${holder}; end it, or wait until it ends`,
    { device, holder },
  )
}
