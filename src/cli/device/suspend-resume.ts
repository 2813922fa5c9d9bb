import type { TypedFlagParameter } from '@stricli/core'
import type { BlockDevice } from '../../block/device.ts'
import { isBlockError } from '../../errors.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { suspendOrResume as request } from '../../ring/queue/suspend.ts'
import { safeJson } from '../../text/render.ts'
import { shellWord } from '../../util/shell-word.ts'
import { CommandError, EXIT } from '../errors.ts'
import { namesOf, type RoleFlags } from '../flags/flags.ts'
import { parseDuration } from '../flags/size.ts'
import { standardOutput } from '../output/output.ts'
import { tell, tellLater, tellPerson } from '../output/person.ts'
import { stopSignals } from '../signals.ts'
import { openDevice } from './device.ts'

/** Flags of `suspend` and `resume`. */
export interface SuspendResumeFlags extends RoleFlags {
  /** Milliseconds. */
  readonly timeout?: number
}

export const timeoutFlag: TypedFlagParameter<number | undefined> = {
  kind: 'parsed',
  brief:
    'Give up after this time: 500ms, 10s, 2m or a number of seconds (default: none, it waits on)',
  placeholder: 'TIME',
  optional: true,
  parse: parseDuration,
}

/** Asks the producer to pause or to continue, and waits until it does. */
export async function suspendOrResume(
  action: 'suspend' | 'resume',
  path: string,
  flags: SuspendResumeFlags,
): Promise<void> {
  using stop = stopSignals()
  await using ring = await openDevice(path, 'read-write', flags)
  const { timeout } = flags
  const timedOut = timeout === undefined ? undefined : AbortSignal.timeout(timeout)
  try {
    using _notice = tellLater(() => tellUngranted(path, action, flags))
    await request(ring, action, { ...namesOf(flags), signal: stop.signal }, timedOut)
  } catch (error) {
    stop.signal.throwIfAborted()
    if (timedOut?.aborted !== true || isBlockError(error)) throw error
    throw await ungranted(ring, action, stop.signal, error)
  }
  const state = action === 'suspend' ? 'suspended' : 'running'
  tellPerson(`${path}: ${state}`, flags.json)
  if (flags.json !== true) return
  await standardOutput(stop.signal).write(`${safeJson({ device: path, state })}\n`)
}

/** Reports a long wait: a running producer grants the request within a moment. */
function tellUngranted(path: string, action: string, { json, timeout }: SuspendResumeFlags): void {
  if (json === true) return
  const end = timeout === undefined ? '; it waits on until one does (--timeout gives up)' : ''
  tell(`no producer of ${path} has granted the request to ${action} yet${end}`)
}

/** The error of a request that was not granted in time: says whether it is on the device. */
async function ungranted(
  ring: BlockDevice,
  action: 'suspend' | 'resume',
  signal: AbortSignal,
  cause: unknown,
): Promise<CommandError> {
  const requested =
    (await inspectRing(ring, { signal })).consumer.suspend === (action === 'suspend')
  const outcome = outcomeOf(action, requested, ring.name)
  const message = `no producer of ${ring.name} has granted it in time: ${outcome}`
  const details = { device: ring.name, requested }
  return new CommandError(EXIT.nothingNow, 'CLI_TIMEOUT', message, details, cause)
}

/** The next step, and the command to continue. */
function outcomeOf(action: 'suspend' | 'resume', requested: boolean, device: string): string {
  if (!requested) {
    const again = `start a producer, then: sbr ${action} ${shellWord(device)}`
    return `the request to ${action} was not made, because the one before is not granted either; ${again}`
  }
  const onDevice = `the request to ${action} is on the device`
  return action === 'suspend'
    ? `${onDevice}, so the next producer will pause; to undo it, start one, then: sbr resume ${shellWord(device)}`
    : `${onDevice}, and takes effect once a producer sees it`
}
