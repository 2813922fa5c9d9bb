import type { FaultRates } from './faults.ts'
import type { Broken, Outcome } from './simulation.ts'

/** Lines of a trace that are shown. */
const MAX_LINES = 120

/** The report of a failing run: what broke, what the run was, and what happened. */
export function report(outcome: Outcome, command: string): string {
  const { plan } = outcome
  const { sectorSize, sizeSectors, physicalSectorSize } = plan.shape
  return reportOf(outcome, command, [
    `disk: ${sizeSectors} sectors of ${sectorSize} bytes, physical sectors of ${physicalSectorSize}`,
    `faults possible: ${rates(plan.rates)}`,
    `shrunk to ${plan.producer.length} steps of the producer, ${(plan.reader?.steps ?? plan.consumer).length} of the consumer, ` +
      `${plan.events.length} moments, ${outcome.fired.length} request faults ` +
      `(${outcome.fired.join(', ') || 'none'})`,
  ])
}

/** The same for a run of any kind: `facts` are lines that say what it was. */
export function reportOf(
  run: {
    readonly plan: { readonly seed: number }
    readonly broken: Broken | undefined
    readonly trace: readonly string[]
  },
  command: string,
  facts: readonly string[],
): string {
  const { plan, broken, trace } = run
  const lines = trace.slice(-MAX_LINES)
  return [
    `seed ${plan.seed} breaks a promise (${broken?.kind}): ${broken?.message}`,
    `replay: ${command}`,
    ...facts,
    ...(trace.length > lines.length ? [`… ${trace.length - lines.length} lines before`] : []),
    ...lines,
  ].join('\n')
}

function rates(rates: FaultRates): string {
  const names = Object.entries(rates).filter(([, rate]) => rate > 0)
  return names.map(([kind]) => kind).join(', ') || 'none'
}
