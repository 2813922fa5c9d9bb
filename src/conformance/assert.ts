import { isBlockError } from '../errors.ts'

/**
 * A device breaks a rule. The message names the rule, the value expected and the value found.
 *
 * @example ```ts import { MemoryBlockDevice } from 'shared-block-ring/block' import { ConformanceError,
 *   deviceConformanceCases } from 'shared-block-ring/conformance'
 *
 * const open = async (): Promise<MemoryBlockDevice> => new MemoryBlockDevice({ sizeSectors: 64 }) for (const { name,
 * run } of deviceConformanceCases({ open })) { await run().catch((error) => console.log(name, error instanceof
 * ConformanceError)) } ```
 */
export class ConformanceError extends Error {
  override readonly name = 'ConformanceError'
}

/** @throws {ConformanceError} `broken`, unless the condition holds */
export function check(condition: boolean, broken: string): asserts condition {
  if (!condition) throw new ConformanceError(broken)
}

/** @throws {ConformanceError} the values differ */
export function checkEqual<T>(found: T, expected: T, what: string): void {
  check(Object.is(found, expected), `${what}: expected ${show(expected)}, found ${show(found)}`)
}

/** @throws {ConformanceError} the bytes differ; says where first */
export function checkBytes(found: Uint8Array, expected: Uint8Array, what: string): void {
  checkEqual(found.length, expected.length, `${what}: length in bytes`)
  for (let at = 0; at < found.length; at++) {
    if (found[at] === expected[at]) continue
    throw new ConformanceError(`${what}: byte ${at} must be ${expected[at]}, but is ${found[at]}`)
  }
}

/**
 * Runs a call that has to fail, and returns its error.
 * @throws {ConformanceError} it does not fail
 */
export async function failureOf(run: () => unknown, what: string): Promise<unknown> {
  try {
    await run()
  } catch (error) {
    return error
  }
  throw new ConformanceError(`${what} has to fail, but did not`)
}

/** @throws {ConformanceError} it is not refused with a `TypeError` or `RangeError` */
export async function checkRefused(run: () => unknown, what: string): Promise<void> {
  const error = await failureOf(run, what)
  check(
    error instanceof TypeError || error instanceof RangeError,
    `${what}: expected a TypeError or RangeError, found ${show(error)}`,
  )
}

/** @throws {ConformanceError} it does not fail with a `BlockError` of that code */
export async function checkAnswers(
  code: string,
  run: () => unknown,
  what: string,
): Promise<unknown> {
  const error = await failureOf(run, what)
  check(isBlockError(error), `${what}: expected a BlockError ${code}, found ${show(error)}`)
  checkEqual(error.code, code, what)
  check(typeof error.details.device === 'string', `${what}: details.device has to name the device`)
  return error
}

/** @throws {ConformanceError} it takes longer */
export async function within<T>(ms: number, promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new ConformanceError(`${what} has to happen within ${ms} ms, but did not`)),
      ms,
    )
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits for `ms` milliseconds; 0 lets pending callbacks run. */
export function pause(ms = 0): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function show(value: unknown): string {
  return value instanceof Error ? `${value.name} (${value.message})` : String(value)
}
