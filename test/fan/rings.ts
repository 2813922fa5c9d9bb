import { MemoryBlockDevice } from '../../src/block/memory.ts'
import type { Codec } from '../../src/codec/codec.ts'
import { text } from '../../src/codec/index.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { collect } from '../helpers/collect.ts'
import { HookedDevice } from '../helpers/hooked.ts'

/** A ring with items, and both its ends. */
export interface Ring {
  readonly device: MemoryBlockDevice
  readonly writer: RingWriter<string>
  readonly reader: RingReader<string>
}

export async function ring(items: readonly string[] = []): Promise<Ring> {
  const device = new MemoryBlockDevice({ sizeSectors: 1024 })
  const writer = await RingWriter.open(device, { createIfMissing: true, codec: text })
  if (items.length > 0) await writer.pushMany(items)
  return { device, writer, reader: await RingReader.open(device, { codec: text }) }
}

/** A reader of a ring whose device answers nothing until it is released. */
export async function hung(
  items: readonly string[] = [],
  codec: Codec<string> = text,
): Promise<{ reader: RingReader<string>; release: () => void }> {
  const { device, reader: first } = await ring(items)
  await first.close()
  const hooked = new HookedDevice(device)
  const reader = await RingReader.open(hooked, { codec })
  let release = (): void => undefined
  const released = new Promise<void>((resolve) => {
    release = resolve
  })
  hooked.before = () => released
  return { reader, release }
}

/** Names of items: a0, a1, … */
export const named = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, number) => `${name}${number}`)

/** The items that have not left a ring. */
export async function left({ device }: Pick<Ring, 'device'>): Promise<string[]> {
  const decoder = new TextDecoder()
  const items = await collect((await inspectRing(device)).items())
  return items.map(({ item }) => decoder.decode(item))
}

/** Lets everything have its turn that waits for nothing else. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
