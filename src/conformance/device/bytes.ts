import { buffersFor } from '../../block/buffers.ts'
import type { BlockDevice, BlockInfo } from '../../block/device.ts'

/** The device of a transfer. */
interface Target {
  readonly device: BlockDevice
  readonly info: BlockInfo
}

/** The suite's transfers are at most this long, and no longer than the device. */
export const BIG_BYTES: number = 8 << 20

/** Sectors whose content depends on the seed and the position, so that mixed-up sectors are detected. */
export function pattern(info: BlockInfo, sectors: number, seed: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sectors * info.sectorSize)
  let state = (seed * 2654435761 + 12345) >>> 0
  for (let at = 0; at < bytes.length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

/** The bytes as a list of buffers that the device takes. */
export function asBuffers({ device, info }: Target, bytes: Uint8Array): Uint8Array[] {
  return buffersFor(device, info.sectorSize, bytes)
}

/** Writes the bytes from a sector on. */
export async function put(target: Target, sectorStart: number, bytes: Uint8Array): Promise<void> {
  await target.device.write(sectorStart, asBuffers(target, bytes))
}

/** Reads sectors. */
export async function get(
  target: Target,
  sectorStart: number,
  sectors: number,
): Promise<Uint8Array> {
  // Memory that is not zero, so that a buffer that is not filled is detected.
  const bytes = new Uint8Array(sectors * target.info.sectorSize).fill(0xa5)
  await target.device.read(sectorStart, asBuffers(target, bytes))
  return bytes
}

/** A method of a device. */
export type Method = Exclude<
  keyof BlockDevice,
  'name' | 'capabilities' | 'incarnation' | 'readNow' | symbol
>

/** Calls a method with any arguments, as a caller without types could. */
export async function call(
  device: BlockDevice,
  method: Method,
  ...args: readonly unknown[]
): Promise<unknown> {
  return Reflect.apply(device[method], device, args)
}
