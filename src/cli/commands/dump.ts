import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { dumpAt } from '../../ring/maintenance/dump.ts'
import { safeJson } from '../../text/render.ts'
import { openDevice } from '../device/device.ts'
import { usageError } from '../errors.ts'
import { type CommonFlags, commonFlags, device } from '../flags/flags.ts'
import { parseSize } from '../flags/size.ts'
import { dumpText } from '../output/hex-dump.ts'
import { standardOutput } from '../output/output.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends CommonFlags {
  readonly at: number
  readonly length?: number
}

const fullDescription = `Prints the structure at a byte of a device (a guard, a superblock, a slot, a batch's header, table, item or padding, or
unused space), with its fields and the bytes from there on. Opens the device read-only.

Offsets are those of sbr verify, in bytes from the device's start.

With --json: one object with "device", "format", "structure", its "start" and "length", "problem" if it is
invalid, "fields" ("name", "offset", "bytes", "value"), and the dumped bytes: "offset", "hex", and "unreadable":
those ("offset", "bytes") that cannot be read. They are zeroes in "hex", and question marks in the text.

EXAMPLES
  sbr dump ring.img --at 12288
  sbr dump /dev/vg0/queue --at 0x5000 --length 64`

export const dump: Command<CommandContext> = buildCommand({
  docs: {
    brief: 'Show the structure at an offset of a ring, with its fields and bytes',
    fullDescription,
  },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      at: {
        kind: 'parsed',
        brief: "Offset in bytes from the device's start: 20480, 0x5000 or 20KiB",
        placeholder: 'OFFSET',
        parse: parseOffset,
      },
      length: {
        kind: 'parsed',
        brief: 'How many bytes to dump (default: 256)',
        placeholder: 'N',
        optional: true,
        parse: parseSize,
      },
      ...commonFlags,
    },
  },
  func: run,
})

function parseOffset(text: string): number {
  if (/^0x[0-9a-f]{1,13}$/i.test(text)) return Number(text)
  return text === '0' ? 0 : parseSize(text)
}

async function run({ at, length, ...flags }: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  await using ring = await openDevice(path, 'read-only', flags)
  const { sectorSize, sizeSectors } = await ring.getInfo()
  if (at >= sectorSize * sizeSectors) {
    throw usageError(
      `--at: ${path} has ${sectorSize * sizeSectors} bytes, so there is no byte ${at}`,
    )
  }
  const found = await dumpAt(ring, at, {
    ...(length !== undefined && { length }),
    signal: stop.signal,
  })
  const { bytes, ...rest } = found
  const hex = Buffer.from(bytes).toString('hex')
  const text =
    flags.json === true ? `${safeJson({ device: path, ...rest, hex })}\n` : dumpText(path, found)
  await standardOutput(stop.signal).write(text)
}
