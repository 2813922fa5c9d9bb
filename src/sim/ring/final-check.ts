import { Violation } from '../runs/violation.ts'
import type { ConsumerHandle } from './consumer-actor.ts'
import { DepthGauge } from './depth.ts'
import type { ObservedSimulation } from './observed-simulation.ts'
import { Onlooker } from './onlooker.ts'
import type { ProducerHandle } from './producer-actor.ts'

/** Attempts at an operation that has to succeed in the end. */
const TRIES = 60
const PAUSE_MS = 20

interface Handles {
  readonly producer: ProducerHandle
  readonly consumer: ConsumerHandle
}

/**
 * Runs after the faults: both roles start again, and the ring is resumed, drained and used. Its depth has to be right,
 * the largest item has to go through it, and nothing may be left.
 */
export async function finalCheck(simulation: ObservedSimulation): Promise<void> {
  const { producer, consumer, guarantees } = simulation
  producer.names.enter(1_000_000)
  consumer.names.enter(1_000_000)
  await producer.restart()
  await consumer.restart()
  try {
    const handles = await resume(simulation)
    if (handles === undefined) return
    const onlooker = new Onlooker(simulation)
    await onlooker.check('waiting')
    await drain(simulation, handles)
    await onlooker.check('consumed')
    await useAgain(simulation, handles)
    await onlooker.check('consumed')
  } catch (error) {
    simulation.judge('the end', error)
    if (guarantees.lossless) throw error
  } finally {
    await producer.detach()
    await consumer.detach()
  }
}

/** Attaches both roles, and ends a pause. Returns `undefined` if the ring does not guarantee that this works. */
async function resume(simulation: ObservedSimulation): Promise<Handles | undefined> {
  const { producer, consumer, guarantees } = simulation
  for (let tries = 0; tries < TRIES; tries++) {
    const consuming = await consumer.attached()
    if (consuming === undefined) continue
    const resumed = await consumer.request(consuming, false)
    const producing = await producer.attached()
    if (producing !== undefined && resumed && (await producing.producer.state()) === 'running') {
      return { producer: producing, consumer: consuming }
    }
    await consuming.process.clock.sleep(PAUSE_MS)
  }
  if (!guarantees.lossless) return undefined
  throw new Violation('wedged', `the ring cannot be attached and resumed in ${TRIES} tries`)
}

/** Pops everything, and checks the ring's count of what is left. */
async function drain(simulation: ObservedSimulation, { consumer: handle }: Handles): Promise<void> {
  const { consumer, oracle } = simulation
  const gauge = new DepthGauge(simulation)
  while ((await consumer.pop(handle, 7)) > 0) {
    await gauge.check(handle.popped[0]?.id)
    await consumer.advance(handle, 1)
  }
  await gauge.check(oracle.items)
}

/**
 * Puts items through the empty ring: one so small that the consumer does not hurry to bring both slots up to date, the
 * largest possible one, and again.
 */
async function useAgain(simulation: ObservedSimulation, handles: Handles): Promise<void> {
  const { producer, consumer, guarantees } = simulation
  for (const sizes of [[0.2], [1], [40, 5], [1]]) {
    let done = false
    for (let tries = 0; tries < TRIES && !done; tries++) {
      done = await producer.append(handles.producer, sizes)
      await handles.consumer.process.clock.sleep(PAUSE_MS)
      while ((await consumer.pop(handles.consumer, 3)) > 0) {
        await consumer.advance(handles.consumer, 1)
      }
    }
    if (!done && guarantees.lossless) {
      throw new Violation('wedged', 'an empty ring takes no items any more')
    }
  }
}
