import type { NbdBlockDevice } from '../../../src/block/nbd/index.ts'
import { bytes } from './scene.ts'

/** A kind of request to a server, in the words of qemu's blkdebug. */
export type Kind = 'read' | 'write' | 'write-zeroes' | 'discard' | 'flush' | 'block-status'

/** What each kind is asked for by. */
export const REQUESTS: Readonly<Record<Kind, (device: NbdBlockDevice) => Promise<unknown>>> = {
  read: (device) => device.read(0, bytes(4096)),
  write: (device) => device.write(0, bytes(4096, 2)),
  'write-zeroes': (device) => device.writeZeroes(0, 8),
  discard: (device) => device.discard(0, 8),
  flush: (device) => device.flush(),
  'block-status': (device) => device.seekMapped(0),
}

/** Every kind. */
export const KINDS: readonly Kind[] = Object.keys(REQUESTS) as Kind[]

/** Kinds that only save work: where a server refuses them, plain reads and writes do without. */
export const HINTS: readonly Kind[] = ['write-zeroes', 'block-status']

/** Whether a request of this kind that fails leaves the device as it was. */
export function isRead(kind: Kind): boolean {
  return kind === 'read' || kind === 'block-status'
}
