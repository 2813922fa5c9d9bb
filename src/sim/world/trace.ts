import type { Scheduler } from './scheduler.ts'

/** Writes a line of a run's trace; the line is only made if there is a trace. */
export type Trace = (line: () => string) => void

/** A trace whose lines begin with the time; without a list for the lines, none are made. */
export function traceTo(lines: string[] | undefined, scheduler: Scheduler): Trace {
  return (line) => {
    lines?.push(`${scheduler.now.toFixed(2).padStart(9)}  ${line()}`)
  }
}
