import type { TestContext } from 'vitest'

/**
 * For tests that need something of the machine. `problem` says what is missing and which Debian package has
 * it: the test is skipped with that message, or fails with it when REQUIRE_INTEROP=1 says that nothing may
 * be missing.
 */
export function needs(context: TestContext, problem: string | undefined): void {
  if (problem === undefined) return
  const { REQUIRE_INTEROP } = process.env
  if (REQUIRE_INTEROP === '1') throw new Error(`REQUIRE_INTEROP=1, but ${problem}`)
  console.warn(`skipped: ${problem}`)
  context.skip(problem)
}
