import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { grouped, safeJson, safeText } from '../../../text/render.ts'
import { type OpenedDevice, openDevice } from '../../device/device.ts'
import { describeHolding, type Holding, holdingOf } from '../../device/device-content.ts'
import { kindOf } from '../../device/whole-sectors.ts'
import { device, type ReportFlags, reportFlags } from '../../flags/flags.ts'
import { standardOutput } from '../../output/output.ts'
import { type Row, type Style, styleFor, tableText } from '../../output/style.ts'
import { stopSignals } from '../../signals.ts'

const fullDescription = `Prints the properties of a file, a raw device or an NBD export as this package sees it, and its content. It is opened
for writing if the system permits it, as other commands do, and not written to.

The content is recognised by its first MiB and its last 128 KiB: blank, if they are zeroes; a ring; a known file
system or similar.

With --json: one object with "device", "kind" ("file", "raw" or "nbd"), "sizeBytes", "sectorSize", "sizeSectors",
"unusedBytes" (at the end of a file whose length is not a whole number of sectors), "readWrite", "direct" (bypasses the
page cache; not for "nbd"), "durability" ("dsync": one write through O_DSYNC; "fua": one with FUA; "flush": a write
and a flush), "capabilities" and
"holds": {"kind":"blank"}, {"kind":"ring","format","capacityBytes","usedBytes"} (of format 2 also "waitingBytes"),
{"kind":"damaged-ring","problem"} or {"kind":"other","description"}.

EXAMPLES
  sbr device info ring.img
  sbr device info /dev/vg0/queue --json
  sbr device info nbd://storage/queue`

export const info: Command<CommandContext> = buildCommand({
  docs: { brief: 'Show the properties and content of a device', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: reportFlags,
  },
  func: run,
})

async function run(flags: ReportFlags, path: string): Promise<void> {
  using stop = stopSignals()
  await using opened = await openDevice(path, 'auto', flags)
  const report = await reportOf(opened, path, stop.signal)
  const output = standardOutput(stop.signal)
  const text =
    flags.json === true
      ? `${safeJson(report)}\n`
      : reportText(report, styleFor(output, flags.exact))
  await output.write(text)
}

interface Report {
  readonly device: string
  readonly kind: 'file' | 'raw' | 'nbd'
  readonly sizeBytes: number
  readonly sectorSize: number
  readonly sizeSectors: number
  readonly unusedBytes: number
  readonly readWrite: boolean
  /** Only of files and raw devices. */
  readonly direct?: boolean
  readonly durability: OpenedDevice['durability']
  readonly capabilities: OpenedDevice['capabilities']
  readonly holds: Holding
}

async function reportOf(opened: OpenedDevice, path: string, signal: AbortSignal): Promise<Report> {
  const { readWrite, sectorSize, sizeSectors, unusedBytes = 0 } = await opened.getInfo()
  const { durability, capabilities } = opened
  const whole = 'below' in opened ? opened.below : opened
  return {
    device: path,
    kind: await kindOf(path),
    sizeBytes: sectorSize * sizeSectors,
    sectorSize,
    sizeSectors,
    unusedBytes,
    readWrite,
    ...('direct' in whole && { direct: whole.direct }),
    durability,
    capabilities,
    holds: await holdingOf(opened, signal),
  }
}

const NAME_COLUMNS = 10
const KINDS = { file: 'file', raw: 'raw block device', nbd: 'NBD export' } as const

function wayOf({ direct }: Report): string {
  if (direct === undefined) return 'through a server'
  return direct ? 'direct, past the page cache' : 'through the page cache'
}

function reportText(report: Report, style: Style): string {
  const { sizeBytes, sizeSectors, sectorSize, unusedBytes: unused } = report
  const capabilities = Object.entries(report.capabilities).filter(([, has]) => has)
  const size = `${style.bytes(sizeBytes)}: ${grouped(sizeSectors)} sectors of ${sectorSize} bytes`
  const end = unused === 0 ? '' : `; ${unused} more at the end are not used`
  const rows: readonly Row[] = [
    ['kind', KINDS[report.kind]],
    ['size', `${size}${end}`],
    ['access', report.readWrite ? 'read and write' : 'read only'],
    ['I/O', wayOf(report)],
    ['durability', report.durability],
    ['can', capabilities.map(([name]) => name).join(', ')],
    ['holds', safeText(describeHolding(report.holds))],
  ]
  return tableText(rows, NAME_COLUMNS, style)
}
