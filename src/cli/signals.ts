import { constants } from 'node:os'
import { CommandError } from './errors.ts'

/** Signals that end a command in order: from a terminal's keys, its end, or the system. */
const STOPPING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

type SignalName = (typeof STOPPING)[number] | 'SIGPIPE'

/**
 * The command was stopped before it was done. The exit code is the one a shell uses for a program that the signal
 * killed.
 */
export class Stopped extends CommandError {
  readonly signal: SignalName

  constructor(signal: SignalName) {
    super(128 + constants.signals[signal], 'CLI_STOPPED', `stopped by ${signal}`, { signal })
    this.signal = signal
  }
}

/** Lets a command end in order when a signal stops it. */
export interface StopSignals extends Disposable {
  /** Aborted with a {@link Stopped}. */
  readonly signal: AbortSignal
}

/** Listens for the first signal that stops; the second of a kind kills, as usual. */
export function stopSignals(): StopSignals {
  const controller = new AbortController()
  const listeners = STOPPING.map((name) => {
    const stop = (): void => controller.abort(new Stopped(name))
    process.once(name, stop)
    return { name, stop }
  })
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const { name, stop } of listeners) process.off(name, stop)
    },
  }
}
