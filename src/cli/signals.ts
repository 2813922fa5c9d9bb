import { constants } from 'node:os'
import { CommandError } from './errors.ts'

type SignalName = 'SIGINT' | 'SIGTERM' | 'SIGPIPE'

/**
 * The command was told to stop before it was done. The exit code is what a shell gives to a program that the
 * signal killed.
 */
export class Stopped extends CommandError {
  readonly signal: SignalName

  constructor(signal: SignalName) {
    super(128 + constants.signals[signal], 'CLI_STOPPED', `stopped by ${signal}`, { signal })
    this.signal = signal
  }
}

/** What lets a command end by itself when it is told to stop. */
export interface StopSignals extends Disposable {
  /** Aborted with a {@link Stopped}. */
  readonly signal: AbortSignal
}

/** Listens for the first SIGINT or SIGTERM; the second of a kind kills, as usual. */
export function stopSignals(): StopSignals {
  const controller = new AbortController()
  const stop = (name: NodeJS.Signals): void => {
    controller.abort(new Stopped(name === 'SIGINT' ? 'SIGINT' : 'SIGTERM'))
  }
  process.once('SIGINT', stop)
  process.once('SIGTERM', stop)
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      process.off('SIGINT', stop)
      process.off('SIGTERM', stop)
    },
  }
}
