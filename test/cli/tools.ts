import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { attachProducer } from '../helpers/ring.ts'

/** Makes a file with a ring of format 2, with blocks of 512 bytes and these lines in it. */
export async function makeRing(path: string, lines: string): Promise<void> {
  await using device = await FileBlockDevice.create(path, { sizeBytes: 128 * 1024 })
  await Producer.create(device, { format: 2, blockSize: 512 })
  const producer = await attachProducer(device)
  await producer.append(
    lines
      .split('\n')
      .slice(0, -1)
      .map((line) => Buffer.from(line)),
  )
  await producer.close()
}

/** Flips a bit of some bytes of a file, in place: a ring at work on it goes on. */
export function damage(path: string, ...offsets: readonly number[]): void {
  const file = openSync(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    for (const offset of offsets) {
      readSync(file, byte, 0, 1, offset)
      byte.writeUInt8(byte.readUInt8() ^ 0x40)
      writeSync(file, byte, 0, 1, offset)
    }
  } finally {
    closeSync(file)
  }
}
