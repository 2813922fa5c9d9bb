import type { Consumer, RingState } from '../types.ts'
import type { Waiter } from './poll.ts'

/**
 * Requests the producer to pause or continue, and waits until it does.
 * @param waiter closed afterwards
 * @throws the signal's reason
 */
export async function awaitState(
  consumer: Consumer,
  action: 'suspend' | 'resume',
  state: RingState,
  waiter: Waiter,
  signal: AbortSignal | undefined,
): Promise<void> {
  try {
    signal?.throwIfAborted()
    while ((await consumer[action]()).status === 'retry') await waiter.pause(signal)
    while ((await consumer.state()) !== state) await waiter.pause(signal)
  } finally {
    waiter.close()
  }
}
