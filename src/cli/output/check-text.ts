import type { RingSurvey } from '../../metrics/survey.ts'
import { fillOf, oldestAgeOf } from '../../ring/report/fill-and-age.ts'
import { ROLES } from '../../ring/roles.ts'
import { counted, percent, safeText, spanOfTime } from '../../text/render.ts'
import type { Problem } from '../device/check-ring.ts'
import type { Surveyed } from '../device/survey.ts'
import type { Style } from './style.ts'

/** A device on one line: its problems, or that it is fine. */
export function checkLine(
  survey: Surveyed,
  problems: readonly Problem[],
  { paint }: Pick<Style, 'paint'>,
): string {
  const ok = problems.length === 0 && 'state' in survey
  const what = ok
    ? `${paint('good', 'ok')}, ${numbersOf(survey).join(', ')}`
    : paint('bad', safeText(problems.map(({ message }) => message).join('; ')))
  return `${safeText(survey.device)}: ${what}\n`
}

function numbersOf(survey: RingSurvey): readonly string[] {
  const { state, holders } = survey
  const { waitingItems } = state
  const age = oldestAgeOf(survey.at, state.stats)
  const atWork = ROLES.filter((role) => holders?.[role] !== undefined)
  return [
    ...(waitingItems === undefined ? [] : [`${counted(waitingItems, 'item')} waiting`]),
    ...(age === undefined ? [] : [`the oldest for ${spanOfTime(Math.max(0, age))}`]),
    `${percent(fillOf(state))} full`,
    ...(state.producer.suspendAck ? ['suspended'] : []),
    ...(atWork.length === 0 ? [] : [`at work: ${atWork.join(' and ')}`]),
  ]
}

/** The same for programs. */
export function checkJson(survey: Surveyed, problems: readonly Problem[]): object {
  const { device } = survey
  const ok = problems.length === 0
  if ('error' in survey) return { device, ok, problems }
  const { state, holders } = survey
  return {
    ...{ device, ok, problems, format: state.format },
    ...{
      waitingItems: state.waitingItems,
      oldestAgeMs: oldestAgeOf(survey.at, state.stats),
      fill: fillOf(state),
    },
    suspended: state.producer.suspendAck,
    atWork: holders && ROLES.filter((role) => holders[role] !== undefined),
  }
}
