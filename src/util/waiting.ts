import { checkOptions, type OptionKinds } from './options.ts'

/** Options of a call that waits: `signal` ends the waiting, never a write that has begun. */
export interface WaitingOptions {
  /** Ends the waiting, with its reason. */
  readonly signal?: AbortSignal
}

const KINDS: OptionKinds<WaitingOptions> = { signal: 'signal' }

/** What a call has that was given no options. */
export const NO_OPTIONS: WaitingOptions = {}

/**
 * The signal of a call that waits.
 * @throws {TypeError} as `checkOptions`
 */
export function signalOf(call: string, options: WaitingOptions): AbortSignal | undefined {
  if (options !== NO_OPTIONS) checkOptions(call, options, KINDS)
  return options.signal
}
