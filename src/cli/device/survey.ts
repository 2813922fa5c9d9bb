import { inOrder } from '../../block/ops/pipeline.ts'
import { type RingSurvey, surveyRing } from '../../metrics/survey.ts'
import { counted } from '../../text/render.ts'
import { untilAborted } from '../../util/abort.ts'
import { asCommandError, CommandError, EXIT, usageError } from '../errors.ts'
import type { CommonFlags } from '../flags/flags.ts'
import { openDevice } from './device.ts'
import { holdersOf } from './roles.ts'

/** Why a device could not be surveyed. */
export interface FailedSurvey {
  readonly device: string
  readonly error: CommandError
}

export type Surveyed = RingSurvey | FailedSurvey

/** How long a device may take, unless the flags say otherwise. */
const PATIENCE_MS = 30_000
/** Devices that are surveyed at the same time. */
const AT_ONCE = 4

/**
 * Checks that no device is named twice. Names that only look alike are two: whoever may add a file to a folder must not keep the others there
 * from being surveyed.
 * @throws {CommandError} one is
 */
export function checkDistinct(devices: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of devices) {
    if (seen.has(name)) throw usageError(`${name} is given twice`)
    seen.add(name)
  }
}

/**
 * Surveys devices, a few at the same time: read-only, and each no longer than the flags' time for a request. One that fails does not
 * keep the others from being surveyed.
 * @throws {Stopped}
 */
export async function surveyAll(
  devices: readonly string[],
  flags: CommonFlags,
  signal: AbortSignal,
): Promise<readonly Surveyed[]> {
  const surveys: Surveyed[] = []
  const plan = { concurrency: AT_ONCE, signal }
  const prepare = async (device: string): Promise<Surveyed> => {
    try {
      return await surveyInTime(device, flags, signal)
    } catch (error) {
      signal.throwIfAborted()
      return { device, error: asCommandError(error) }
    }
  }
  for await (const surveyed of inOrder(devices, plan, prepare)) surveys.push(surveyed)
  return surveys
}

async function surveyInTime(
  device: string,
  flags: CommonFlags,
  signal: AbortSignal,
): Promise<RingSurvey> {
  const { requestTimeout: ms = PATIENCE_MS } = flags
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(tooLate(device, ms)), ms)
  try {
    const reading = AbortSignal.any([signal, late.signal])
    return await untilAborted(survey(device, flags, reading), reading)
  } finally {
    clearTimeout(timer)
  }
}

async function survey(
  device: string,
  flags: CommonFlags,
  signal: AbortSignal,
): Promise<RingSurvey> {
  await using ring = await openDevice(device, 'read-only', flags)
  return await surveyRing(ring, device, signal, holdersOf)
}

function tooLate(device: string, ms: number): CommandError {
  const message = `${device} could not be inspected within ${ms / 1000} s; allow more: --request-timeout`
  return new CommandError(EXIT.fault, 'BLOCK_TIMEOUT', message, { device })
}

/** The error of a command for the devices that could not be surveyed; undefined if there is none. */
export function failureOf(surveys: readonly Surveyed[]): CommandError | undefined {
  const failed = surveys.filter((survey): survey is FailedSurvey => 'error' in survey)
  const [first] = failed
  if (first === undefined || failed.length === 1) return first?.error
  const devices = failed.map(({ device, error: { code, message } }) => ({ device, code, message }))
  const reasons = devices.map(({ device, message }) => `${device}: ${message}`).join('; ')
  const message = `${failed.length} of ${counted(surveys.length, 'device')} could not be inspected: ${reasons}`
  return new CommandError(EXIT.fault, 'CLI_NOT_INSPECTED', message, { devices })
}
