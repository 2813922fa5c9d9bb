import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'

const folder = new URL('../golden/', import.meta.url)

/** One thing that was done to make an image. */
export type Step =
  | string
  | { readonly driver: string; readonly frames?: readonly string[]; readonly rc: number }
  | { readonly cli: string }
  | { readonly patch: { readonly offset: number; readonly hex: string; readonly why: string } }

/** What the sidecar of an image that the original wrote says of it. */
export interface Golden {
  readonly name: string
  readonly note: string
  readonly image: string
  readonly sector_size: number
  readonly size_bytes: number
  readonly size_sectors: number
  readonly sha256: string
  readonly queue: string | null
  readonly client: string | null
  readonly made_by: readonly Step[]
  readonly expect: {
    readonly producer: number
    readonly consumer: number
    readonly suspend_ack_byte: number
    readonly suspend_byte: number
    readonly suspend_ack: boolean
    readonly suspend: boolean
    readonly producer_debug_text: string | null
    readonly consumer_debug_text: string | null
    readonly data_bytes: number
    readonly used: number
    readonly free: number
    readonly items_hex: readonly string[]
    readonly item_end_positions: readonly number[]
  }
  readonly consumer_state?: 'Running' | 'Suspended'
}

/** The sidecars of the valid images, or of the damaged ones. */
export function goldens(corrupt: boolean): readonly Golden[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json') && file.startsWith('corrupt-') === corrupt)
    .map((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Golden)
}

/** The image's bytes, which have to be those that the sidecar was made for. */
export function goldenBytes(golden: Golden): Uint8Array {
  const bytes = new Uint8Array(readFileSync(new URL(golden.image, folder)))
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  if (sha256 !== golden.sha256) throw new Error(`${golden.image} is not the original's image`)
  return bytes
}

/** A device that holds a copy of the image. */
export function goldenDevice(golden: Golden): Promise<MemoryBlockDevice> {
  return MemoryBlockDevice.from(goldenBytes(golden), {
    sectorSize: golden.sector_size,
    name: golden.image,
  })
}

/** All bytes of a device. */
export async function deviceBytes(device: BlockDevice): Promise<Uint8Array> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const bytes = new Uint8Array(sectorSize * sizeSectors)
  await device.read(0, [bytes])
  return bytes
}

/** Bytes as text that compares and prints well. */
export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

/** The bytes of hex text. */
export function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'))
}
