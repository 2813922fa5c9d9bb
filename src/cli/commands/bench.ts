import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { isNbdUri } from '../../block/nbd/uri.ts'
import { grouped, safeJson } from '../../text/render.ts'
import { type BenchReport, benchText, type RingReport } from '../bench/report.ts'
import { measureRing } from '../bench/ring.ts'
import { type BenchTarget, type BenchTargetFlags, findTarget, MIN_BYTES } from '../bench/target.ts'
import type { Timing } from '../bench/timing.ts'
import { measureReads, measureWrites } from '../bench/transfers.ts'
import { usageError } from '../errors.ts'
import { commonFlags, device } from '../flags/flags.ts'
import { parseDuration, parseSize } from '../flags/size.ts'
import { standardOutput } from '../output/output.ts'
import { stopSignals } from '../signals.ts'

/** Ways to open a file; an export has one only. */
const ENGINES: readonly { readonly engine?: 'pool' | 'sync' | 'adaptive' }[] = [
  { engine: 'pool' },
  { engine: 'sync' },
]

interface Flags extends BenchTargetFlags {
  /** Milliseconds. */
  readonly time?: number
}

const fullDescription = `Measures reads, durable writes and a ring of format 2, in about a minute. The device's content does not change:

- DEVICE is a directory or a new path: a temporary file is made there or next to it, and removed.
- DEVICE is blank: up to 64 MiB after its first MiB, which have to be zeroes, are written to, and zeroed again at
  the end. No other program can use it meanwhile. A sparse file keeps that space.
- DEVICE has any other content: it is only read, even while its ring is in use.

If it is killed, it leaves its temporary file (.sbr-bench-...), or its data after the first MiB.

The engines are ways to wait for the disk: see the option \`engine\` of FileBlockDevice. An NBD export has none.
"of a write" is the ratio of the ring's commits of one item to the device's durable writes of 4 KiB.

With --json: one object with "device", "measured" ("temporary file", "blank device" or "reads only"),
"reason" (why nothing was written), "holds" (as \`sbr device info\`), "sizeBytes", "direct" (not of NBD), "durability",
"reads" and "writes" (each with "bytes", "perSecond", "medianUs" and "p99Us") and "rings" (each with "engine"
and "figures": "what", "items" in a commit, "itemBytes", "itemsPerSecond", and the pace of commits as above).

EXAMPLES
  sbr bench /var/lib
  sbr bench /dev/vg0/blank --time 5s --json`

export const bench: Command<CommandContext> = buildCommand({
  docs: {
    brief: 'Measure a device and a ring on it, without changing its content',
    fullDescription,
  },
  parameters: {
    positional: {
      kind: 'tuple',
      parameters: [
        {
          ...device,
          brief:
            'Path of a file, a raw block device or a directory, or an NBD URI (default: $SBR_DEVICE)',
        },
      ],
    },
    flags: {
      time: {
        kind: 'parsed',
        brief: 'How long each of the 15 measurements takes (default: 3s)',
        placeholder: 'TIME',
        optional: true,
        parse: parseTime,
      },
      size: {
        kind: 'parsed',
        brief: `Size of a temporary file, at least ${grouped(MIN_BYTES)} bytes (default: 64MiB)`,
        placeholder: 'SIZE',
        optional: true,
        parse: parseSize,
      },
      ...commonFlags,
    },
  },
  func: run,
})

/** Nothing can be measured in no time. */
function parseTime(text: string): number {
  const ms = parseDuration(text)
  if (ms > 0) return ms
  throw usageError(`--time is at least 1ms, not '${text}'`)
}

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  const report = await measure(path, flags, { ms: flags.time ?? 3000, signal: stop.signal })
  const text = flags.json === true ? `${safeJson(report)}\n` : benchText(report)
  await standardOutput(stop.signal).write(text)
}

async function measure(path: string, flags: Flags, timing: Timing): Promise<BenchReport> {
  await using target = await findTarget(path, flags, timing.signal)
  const transfers = await measureTransfers(target, timing)
  const rings: RingReport[] = []
  const ways = isNbdUri(path) ? [{}] : ENGINES
  for (const way of target.kind === 'reads only' ? [] : ways) {
    await using handle = await target.open(way)
    rings.push({ ...way, figures: await measureRing(handle.device, timing) })
  }
  const { kind, reason, holds } = target
  return {
    device: path,
    measured: kind,
    ...(reason !== undefined && { reason }),
    ...(holds !== undefined && { holds }),
    ...transfers,
    rings,
  }
}

/** Measures the device itself: bypassing the page cache, and without waiting for a thread. */
async function measureTransfers(
  target: BenchTarget,
  timing: Timing,
): Promise<Pick<BenchReport, 'sizeBytes' | 'direct' | 'durability' | 'reads' | 'writes'>> {
  await using handle = await target.open({ direct: true, engine: 'sync' })
  const { device: opened, whole } = handle
  const { sectorSize, sizeSectors } = await opened.getInfo()
  const { durability } = whole
  // Only written data is read from the disk.
  const writes = target.kind === 'reads only' ? [] : await measureWrites(opened, timing)
  const reads = await measureReads(opened, timing)
  const direct = 'direct' in whole && { direct: whole.direct }
  return { sizeBytes: sectorSize * sizeSectors, ...direct, durability, reads, writes }
}
