import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { openDevice } from '../device.ts'
import { withNote } from '../errors.ts'
import { device, namesOf, type RoleFlags, roleFlags } from '../flags.ts'
import { Frames } from '../frames.ts'
import { standardInput } from '../input.ts'
import { Lines } from '../lines.ts'
import { Pusher } from '../pusher.ts'
import { stopSignals } from '../signals.ts'
import type { ItemSplitter } from '../splitter.ts'

interface Flags extends RoleFlags {
  readonly frames?: boolean
  readonly noWait?: boolean
}

const fullDescription = `Each line of standard input becomes an item, without its newline, until the input ends. An item is on
stable storage and visible to the consumer when it counts as pushed; items that come quickly share commits.

Waits while the ring is full or suspended. While it waits for input it still acknowledges a suspension.

Exit codes: 0 all of the input was pushed; 3 no room and 4 suspended, with --no-wait; 130 or 143 stopped
by SIGINT or SIGTERM, between two items, before the input ended; 1 anything else. Unless it is 0, standard
error says how many items were pushed (with --json: "pushed"), so that you know where to go on.

EXAMPLES
  sbr produce ring.img < lines.txt
  tail -f app.log | sbr produce /dev/vg0/queue --queue logs --client shipper
  sbr consume a.img --frames | sbr produce b.img --frames`

export const produce: Command<CommandContext> = buildCommand({
  docs: { brief: 'Push items from standard input', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      frames: {
        kind: 'boolean',
        brief: 'Items of any bytes, each after its length as 4 bytes, little-endian',
        optional: true,
        withNegated: false,
      },
      noWait: {
        kind: 'boolean',
        brief: 'Give up when the ring is full or suspended',
        optional: true,
        withNegated: false,
      },
      ...roleFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const { signal } = stop
  await using ring = await openDevice(path, 'read-write', flags)
  let pushed = 0
  try {
    const wait = flags.noWait !== true
    await using pusher = await Pusher.open(ring, namesOf(flags), { wait, signal })
    const { maxItemBytes } = pusher
    const splitter = flags.frames === true ? new Frames(maxItemBytes) : new Lines(maxItemBytes)
    try {
      await pushInput(pusher, splitter, signal)
    } finally {
      pushed = pusher.pushed
    }
  } catch (error) {
    throw withNote(error, `Items pushed: ${pushed}`, { pushed })
  }
}

async function pushInput(
  pusher: Pusher,
  splitter: ItemSplitter,
  signal: AbortSignal,
): Promise<void> {
  const chunks = standardInput(signal)
  try {
    for (;;) {
      const { value: chunk, done } = await pusher.whileWaitingFor(chunks.next())
      if (done === true) break
      await pushComplete(pusher, (items) => splitter.feed(chunk, items))
    }
    await pushComplete(pusher, (items) => splitter.end(items))
  } finally {
    await chunks.return(undefined)
  }
}

/** Pushes what the input has, and only then tells what is wrong with what comes next. */
async function pushComplete(pusher: Pusher, split: (items: Uint8Array[]) => void): Promise<void> {
  const items: Uint8Array[] = []
  let problem: unknown
  try {
    split(items)
  } catch (error) {
    problem = error
  }
  await pusher.push(items)
  if (problem === undefined) return
  const item = pusher.pushed + 1
  throw withNote(problem, `That was item ${item} of the input`, { item })
}
