/** What the tests of `process` have in common: rings with items, and ways to look at them. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { BlockDevice } from '../../../src/block/device.ts'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { ForwardingBlockDevice } from '../../../src/block/wrap/forward.ts'
import { text } from '../../../src/codec/index.ts'
import { Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import type {
  Handler,
  ProcessOptions,
  ProcessSummary,
  WorkEvent,
} from '../../../src/ring/queue/process/types.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import type { ReaderOptions } from '../../../src/ring/queue/reader-options.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { collect } from '../../helpers/collect.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { SMALL, sectorsFor, smallRing } from '../../helpers/ring.ts'

const decoder = new TextDecoder()

export async function filled(
  names: readonly string[],
  dataBytes: number = 128 * 512,
): Promise<HookedDevice> {
  const device = new HookedDevice(await smallRing(dataBytes))
  await using writer = await RingWriter.open(device, { codec: text })
  await writer.pushMany(names)
  return device
}

/** What is in a ring, as text. */
export async function itemsOf(device: HookedDevice | MemoryBlockDevice): Promise<string[]> {
  const items = await collect((await inspectRing(device)).items())
  return items.map(({ item }) => decoder.decode(item))
}

export async function open(
  device: HookedDevice,
  more: Partial<ReaderOptions<string>> = {},
): Promise<RingReader<string>> {
  return RingReader.open(device, { ...more, codec: text })
}

/** Processes what there is, with pauses that take no time. */
export async function drain(
  device: HookedDevice,
  handler: Handler<string>,
  options: ProcessOptions<string> = {},
  more: Partial<ReaderOptions<string>> = {},
): Promise<ProcessSummary> {
  await using reader = await open(device, more)
  const quick = { untilEmpty: true, backoff: { firstMs: 0, maxMs: 0 } }
  return await reader.process(handler, { ...quick, ...options })
}

/** Acknowledges all that is in a ring. */
export async function empty(device: BlockDevice): Promise<void> {
  await using reader = await RingReader.open(device)
  const entries = await reader.tryReceiveMany()
  await reader.ackAll(entries)
}

/** A ring on a device of another name. */
export async function otherRing(): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: sectorsFor(4096), name: 'other' })
  await Producer.create(device, SMALL)
  return device
}

/** A promise that is settled from outside. */
export function gate<T = void>(): {
  readonly opened: Promise<T>
  open(value: T): void
} {
  let open: (value: T) => void = () => undefined
  const opened = new Promise<T>((resolve) => {
    open = resolve
  })
  return { opened, open }
}

/** Whatever is asked of it throws. */
export function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

/** What is published while something runs. */
export async function published(run: () => Promise<unknown>): Promise<WorkEvent[]> {
  const events: WorkEvent[] = []
  const listen = (message: unknown): void => void events.push(message as WorkEvent)
  subscribe('shared-block-ring:work', listen)
  try {
    await run()
  } finally {
    unsubscribe('shared-block-ring:work', listen)
  }
  return events
}

/** A device whose writes take effect at once, and are answered late. */
export class SlowDevice extends ForwardingBlockDevice {
  slow = false
  readonly #written = gate()
  readonly #answered = gate()

  /** A slow write took effect. */
  get written(): Promise<void> {
    return this.#written.opened
  }

  /** Answers it. */
  release(): void {
    this.slow = false
    this.#answered.open()
  }

  override async write(...request: Parameters<BlockDevice['write']>): Promise<void> {
    await super.write(...request)
    if (!this.slow) return
    this.#written.open()
    await this.#answered.opened
  }
}
