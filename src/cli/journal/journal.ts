import type { FlagParametersForType, TypedFlagParameter } from '@stricli/core'
import { inTurn } from '../../block/creator-claim.ts'
import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import { UNNAMED_JOURNAL } from '../../journal/settings.ts'
import { Producer } from '../../ring/access/attach.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { type OpenedDevice, openDevice } from '../device/device.ts'
import { takeRoles } from '../device/take-roles.ts'
import { type ItemFlags, itemFlags, namesOf, type RoleFlags } from '../flags/flags.ts'

const queue: TypedFlagParameter<string | undefined> = {
  kind: 'parsed',
  brief: `Name of the journal, as text on the device (default: $SBR_QUEUE, or '${UNNAMED_JOURNAL}')`,
  placeholder: 'NAME',
  optional: true,
  parse: String,
}

export const journalFlags: FlagParametersForType<ItemFlags> = { ...itemFlags, queue }

/** The names for the library, the same for both ends. */
export function journalNames(flags: RoleFlags): { queue: string; client?: string } {
  return { queue: UNNAMED_JOURNAL, ...namesOf(flags) }
}

/** Opens a journal, and makes one first where the device is blank. */
export async function openJournal(
  path: string,
  flags: RoleFlags,
  signal: AbortSignal,
): Promise<OpenedDevice> {
  const journal = await openDevice(path, 'read-write', flags)
  try {
    // Another command may have made one meanwhile: check again.
    await inTurn(async () => {
      if (!(await holdsRing(journal, signal))) await makeRing(journal)
    })
    return journal
  } catch (error) {
    await journal.disconnect()
    throw error
  }
}

async function holdsRing(device: BlockDevice, signal: AbortSignal): Promise<boolean> {
  try {
    await inspectRing(device, { signal })
    return true
  } catch (error) {
    if (isRingError(error) && error.code === 'RING_NOT_INITIALISED') return false
    throw error
  }
}

/**
 * With both roles held: a process that makes the ring a moment later would replace it, and lose items pushed by then.
 */
async function makeRing(device: BlockDevice): Promise<void> {
  await using _roles = await takeRoles(device, 'sbr journal')
  await Producer.create(device)
}
