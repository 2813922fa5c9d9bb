import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { verifyRing } from '../../ring/maintenance/verify.ts'
import type { RingReport } from '../../ring/report/finding.ts'
import { safeJson } from '../../text/render.ts'
import { openDevice } from '../device/device.ts'
import { CommandError, EXIT } from '../errors.ts'
import { type CommonFlags, commonFlags, device } from '../flags/flags.ts'
import { standardOutput } from '../output/output.ts'
import { showProgress } from '../output/progress.ts'
import { verdict, verifyText } from '../output/report-findings.ts'
import { styleFor } from '../output/style.ts'
import { stopSignals } from '../signals.ts'

const fullDescription = `Checks a ring: all metadata that producer and consumer rely on, and every unacknowledged item, checksum by checksum.
Opens the device read-only, takes no role and changes nothing; works while producer and consumer run
(what they write meanwhile does not count as damage). Acknowledged items are not checked.

Format 1 has no checksums: the pointers have to be consistent with each other and with their texts, and each record's
length with the next record. In format 2, damage to the very last items looks as if they were never pushed, until the
producer's next checkpoint: within 50 ms when it idles, and when it ends.

With --json: one object with "device", "format", "sound", "findings", "moreFindings", "damagedItems" and, if the
log could be checked, "log" with "blocks", "freeBlocks", "batches", "items" and "bytes". A finding has "severity"
("warning", which loses nothing, or "damage"), the "offset" on the device in bytes, "structure", "problem",
"advice" and, if it affects items, "items" and "numbers".

Exit codes: 0 sound; 130 or 143 stopped by SIGINT or SIGTERM; 1 damaged, or anything else.

EXAMPLES
  sbr verify ring.img
  sbr verify /dev/vg0/queue --json | jq .findings`

export const verify: Command<CommandContext> = buildCommand({
  docs: { brief: 'Check a ring for damage, changing nothing', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: commonFlags,
  },
  func: run,
})

async function run(flags: CommonFlags, path: string): Promise<void> {
  using stop = stopSignals()
  await using ring = await openDevice(path, 'read-only', flags)
  const report = await verifyWithProgress(ring, stop.signal)
  const output = standardOutput(stop.signal)
  const text =
    flags.json === true
      ? `${safeJson({ device: path, ...report })}\n`
      : verifyText(path, report, styleFor(output))
  await output.write(text)
  if (report.sound) return
  const { damagedItems } = report
  const details = { device: path, findings: report.findings.length, damagedItems }
  throw new CommandError(EXIT.fault, 'CLI_DAMAGED', `${path} is ${verdict(report)}`, details)
}

async function verifyWithProgress(ring: BlockDevice, signal: AbortSignal): Promise<RingReport> {
  using progress = showProgress('verifying')
  return await verifyRing(ring, { onProgress: progress.update, signal })
}
