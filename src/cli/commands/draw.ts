import { buildCommand, type Command, type CommandContext } from '@stricli/core'
import { drawing } from '../../picture/map/drawing.ts'
import { isSeen, type RingSeen } from '../../picture/snapshot.ts'
import { damageOf } from '../../picture/watch/ring-damage.ts'
import { RingWatch } from '../../picture/watch/ring-watch.ts'
import { verifyRing } from '../../ring/maintenance/verify.ts'
import { safeJson } from '../../text/render.ts'
import { openDevice } from '../device/device.ts'
import { pictureAccess } from '../device/picture-access.ts'
import { CommandError, EXIT } from '../errors.ts'
import { type CommonFlags, commonFlags, device } from '../flags/flags.ts'
import { standardOutput } from '../output/output.ts'
import { showProgress } from '../output/progress.ts'
import { stopSignals } from '../signals.ts'

interface Flags extends CommonFlags {
  readonly verify?: boolean
}

const fullDescription = `Prints a drawing of a ring as SVG: the whole device to scale, its small parts enlarged (guard, superblocks, slots,
leases), and the data area with what is in use, the consumer's cursor, the producer's tail, epochs and damage. Opens
the device read-only, takes no role and changes nothing; works while both sides run.

Damage to the metadata is shown; with --verify, each unacknowledged item is checked too, as sbr verify does. The
drawing follows the viewer's light or dark setting, and describes itself to screen readers.

With --json: one object with what is drawn: "parts", each with "kind", "name", "offset", "bytes", "note" and
"current"; "data"; "log" with "used", "head" and "tail"; "epochs"; "damage"; and the state as sbr diagnostics has it.

EXAMPLES
  sbr draw ring.img > ring.svg
  sbr draw /dev/vg0/queue --verify > queue.svg`

export const draw: Command<CommandContext> = buildCommand({
  docs: { brief: 'Draw a ring as SVG, changing nothing', fullDescription },
  parameters: {
    positional: { kind: 'tuple', parameters: [device] },
    flags: {
      verify: {
        kind: 'boolean',
        brief: 'Check every unacknowledged item, and show what is damaged',
        optional: true,
        withNegated: false,
      },
      ...commonFlags,
    },
  },
  func: run,
})

async function run(flags: Flags, path: string): Promise<void> {
  using stop = stopSignals()
  await using watch = new RingWatch(path, pictureAccess(flags))
  const found = await watch.look()
  if (!isSeen(found)) {
    const { code, message } = found.error
    throw new CommandError(EXIT.fault, code, message, { device: path })
  }
  const ring = flags.verify === true ? await verified(found, path, flags, stop.signal) : found
  const text = flags.json === true ? `${safeJson(ring)}\n` : drawing(ring)
  await standardOutput(stop.signal).write(text)
}

/** The same, with what `sbr verify` finds. */
async function verified(
  ring: RingSeen,
  path: string,
  flags: Flags,
  signal: AbortSignal,
): Promise<RingSeen> {
  await using opened = await openDevice(path, 'read-only', flags)
  using progress = showProgress('verifying')
  const { findings } = await verifyRing(opened, { onProgress: progress.update, signal })
  const bytes = ring.ring?.blockSize ?? 512
  return { ...ring, damage: findings.map((finding) => damageOf(finding, bytes)) }
}
