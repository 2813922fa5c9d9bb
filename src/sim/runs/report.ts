import type { Broken } from './violation.ts'

/** Lines of a trace that are shown. */
const MAX_LINES = 120

/** The report of a failing run: what broke, what the run was (`facts`, a line each), and what happened. */
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
    `seed ${plan.seed} violates a guarantee (${broken?.kind}): ${broken?.message}`,
    `replay: ${command}`,
    ...facts,
    ...(trace.length > lines.length ? [`… ${trace.length - lines.length} lines before`] : []),
    ...lines,
  ].join('\n')
}
