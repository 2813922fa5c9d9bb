import type { TypedFlagParameter } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import type { DeadLetterSink, FailurePolicy } from '../../journal/types.ts'
import { inspectRing } from '../../ring/attach.ts'
import { RingWriter } from '../../ring/queue/writer.ts'
import type { AttachOptions } from '../../ring/types.ts'
import { openDevice } from '../device/device.ts'
import { isSameStorage } from '../device/same-storage.ts'
import { usageError } from '../errors.ts'
import { type CommonFlags, type ItemFlags, limitOf, namesOf } from '../flags/flags.ts'

/** What to do about an operation that keeps failing. */
export type OnFailure = 'retry' | 'stop' | { readonly deadLetter: string }

const DEAD_LETTER = 'dead-letter:'

export const onFailureFlag: TypedFlagParameter<OnFailure | undefined> = {
  kind: 'parsed',
  brief:
    "'retry' without a limit (default), 'stop', or 'dead-letter:PATH' to move it to another ring",
  placeholder: 'POLICY',
  optional: true,
  parse: parseOnFailure,
}

function parseOnFailure(text: string): OnFailure {
  if (text === 'retry' || text === 'stop') return text
  const deadLetter = text.startsWith(DEAD_LETTER) ? text.slice(DEAD_LETTER.length) : ''
  if (deadLetter !== '' && !deadLetter.includes('\0')) return { deadLetter }
  throw usageError(`expected retry, stop or dead-letter:PATH, found '${text}'`)
}

/** A policy, with the resources that it holds. */
export interface OpenPolicy<Op> extends AsyncDisposable {
  readonly policy: FailurePolicy<Op>
}

/** Opens the dead letter ring, if the policy has one; it has to exist. */
export async function openPolicy<Op>(
  onFailure: OnFailure,
  journalPath: string,
  flags: ItemFlags,
  signal: AbortSignal,
): Promise<OpenPolicy<Op>> {
  if (typeof onFailure === 'string') {
    return { policy: onFailure, [Symbol.asyncDispose]: async () => undefined }
  }
  const device = await openDeadLetters(onFailure.deadLetter, journalPath, flags, signal)
  const { client } = namesOf(flags)
  const options = { ...(client !== undefined && { client }), ...limitOf(flags) }
  return {
    policy: { deadLetter: deadLetterSink(device, options) },
    [Symbol.asyncDispose]: () => device.disconnect(),
  }
}

async function openDeadLetters(
  path: string,
  journalPath: string,
  flags: CommonFlags,
  signal: AbortSignal,
): Promise<BlockDevice> {
  const device = await openDevice(path, 'read-write', flags)
  try {
    if (await isSameStorage(path, journalPath)) {
      throw usageError(`--on-failure: ${path} is the journal itself; use another ring`)
    }
    await inspectRing(device, { signal })
    return device
  } catch (error) {
    await device.disconnect()
    throw error
  }
}

/** Takes the role only while it hands something over, so that many journals can share the ring. */
function deadLetterSink<Op>(device: BlockDevice, options: AttachOptions): DeadLetterSink<Op> {
  return async ({ bytes }, { signal }) => {
    await using writer = await RingWriter.open(device, { ...options, signal })
    await writer.push(bytes, { signal })
  }
}
