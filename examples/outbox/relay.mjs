// From a table to a handler in another process: what the outboxes of both databases have in common.
import { setTimeout as pause } from 'node:timers/promises'
import { RingReader, RingWriter } from 'shared-block-ring'
import { FileBlockDevice } from 'shared-block-ring/block/file'
import { json } from 'shared-block-ring/codec'

const OPTIONS = { createIfMissing: true, codec: json() }

/**
 * Moves messages from the table to the ring, oldest first, until `isDone()`. A message leaves the table once the ring has it durably.
 * After a crash between the two it is pushed again, with the id that it had: its receiver drops it.
 */
export async function relay(outbox, path, isDone) {
  const device = await FileBlockDevice.openOrCreate(path, { sizeBytes: 1 << 20 })
  const writer = await RingWriter.open(device, OPTIONS)
  for (;;) {
    const last = isDone()
    const messages = await outbox.oldest(100)
    await writer.pushMany(messages) // waits while the ring is full
    await outbox.remove(messages)
    if (messages.length > 0) continue
    if (last) break
    await pause(20)
  }
  await writer.close()
  await device.close()
}

/** Calls the handler with each message, once or more often, until the signal. */
export async function receive(path, handler, signal) {
  const device = await FileBlockDevice.openOrCreate(path, { sizeBytes: 1 << 20 })
  const reader = await RingReader.open(device, OPTIONS)
  await reader.process(handler, { signal })
  await reader.close()
  await device.close()
}
