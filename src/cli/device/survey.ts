import { type RingSurvey, surveyRing } from '../../metrics/survey.ts'
import { type SurveyLimit, Surveyor, type SurveyTarget } from '../../metrics/surveyor.ts'
import { counted } from '../../text/render.ts'
import { asCommandError, CommandError, EXIT, usageError } from '../errors.ts'
import type { CommonFlags } from '../flags/flags.ts'
import { openDevice } from './device.ts'
import { holdersOf } from './take-roles.ts'

/** The reason why a device could not be surveyed. */
export interface FailedSurvey {
  readonly device: string
  readonly error: CommandError
}

export type Surveyed = RingSurvey | FailedSurvey

/** The default time limit of a device. */
const SURVEY_TIMEOUT_MS = 30_000
/** The same if a program waits for the result of all devices: Prometheus does for 10 s. */
const ANSWER_TIMEOUT_MS = 8000

/**
 * Checks that no device is named twice. Similar names count as different ones: a user who may add a file to a folder
 * must not keep the others there from being surveyed.
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
 * Surveys devices, a few at the same time: read-only, and each no longer than the flags' time for a request. One that
 * fails does not keep the others from being surveyed.
 * @throws {Stopped}
 */
export function surveyAll(
  devices: readonly string[],
  flags: CommonFlags,
  signal: AbortSignal,
): Promise<readonly Surveyed[]> {
  const { requestTimeout: ms = SURVEY_TIMEOUT_MS } = flags
  return surveyOf(devices, flags, signal, { ms, inAll: false })()
}

/**
 * Surveys the same devices at each call, all together within the limit of one. A device that does not answer is not
 * asked again until it does.
 */
export function surveys(
  devices: readonly string[],
  flags: CommonFlags,
  signal: AbortSignal,
): () => Promise<readonly Surveyed[]> {
  const { requestTimeout: ms = ANSWER_TIMEOUT_MS } = flags
  return surveyOf(devices, flags, signal, { ms, inAll: true })
}

function surveyOf(
  devices: readonly string[],
  flags: CommonFlags,
  signal: AbortSignal,
  limit: Omit<SurveyLimit, 'tooLate'>,
): () => Promise<readonly Surveyed[]> {
  const surveyor = new Surveyor(signal)
  const rings = devices.map((device): SurveyTarget => {
    return { device, survey: (over) => survey(device, flags, over) }
  })
  const tooLate = (device: string): CommandError => {
    const message = `${device} could not be inspected within ${limit.ms / 1000} s; allow more: --request-timeout`
    return new CommandError(EXIT.fault, 'BLOCK_TIMEOUT', message, { device })
  }
  return async () => {
    const results = await surveyor.surveyAll(rings, { ...limit, tooLate })
    return results.map((one) =>
      'error' in one ? { ...one, error: asCommandError(one.error) } : one,
    )
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
