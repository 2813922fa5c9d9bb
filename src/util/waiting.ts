import { checkOptions, type OptionKinds } from './options.ts'

/** Options of a call that waits. */
export interface WaitingOptions {
  /** Ends the wait, with its reason. Never interrupts a write that has begun. */
  readonly signal?: AbortSignal
}

const KINDS: OptionKinds<WaitingOptions> = { signal: 'signal' }

/** The options of a call without options. */
export const NO_OPTIONS: WaitingOptions = {}

/**
 * The signal of a call that waits.
 * @throws {TypeError} as `checkOptions`
 */
export function signalOf(call: string, options: WaitingOptions): AbortSignal | undefined {
  if (options !== NO_OPTIONS) checkOptions(call, options, KINDS)
  return options.signal
}
