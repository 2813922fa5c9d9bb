import type { Permit } from '../../permit.ts'

/**
 * One positioned call, if its permit still holds when it starts. Resolves with the bytes transferred, 0 at the end of
 * the file.
 */
export type VectoredCall = (
  fd: number,
  buffers: readonly Uint8Array[],
  position: number,
  permit: Permit,
) => number | Promise<number>

/** Makes the calls of the system that wait for the disk. They fail with the system error, or as the permit does. */
export interface Engine {
  /** `preadv` */
  readonly read: VectoredCall
  /** `pwritev` */
  readonly write: VectoredCall
  /** `fdatasync` */
  readonly flush: (fd: number, permit: Permit) => void | Promise<void>
}
