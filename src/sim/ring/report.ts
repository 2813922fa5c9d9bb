import { reportOf } from '../runs/report.ts'
import type { FaultRates } from '../world/faults.ts'
import type { Outcome } from './simulation.ts'

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

function rates(rates: FaultRates): string {
  const names = Object.entries(rates).filter(([, rate]) => rate > 0)
  return names.map(([kind]) => kind).join(', ') || 'none'
}
