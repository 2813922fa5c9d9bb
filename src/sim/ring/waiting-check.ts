import { type RingReader, readerOn } from '../../ring/queue/reader.ts'
import type { Producer } from '../../ring/types.ts'
import { Violation } from '../runs/violation.ts'
import { RequestNames, SimHost, SimProcess } from '../world/process.ts'
import { nameOf, Random } from '../world/random.ts'
import { untilTrue } from '../world/until-true.ts'
import type { ObservedSimulation } from './observed-simulation.ts'

const ITEMS = 2
/** How long the ring is quiet before an item: polls are frequent, or have grown rare and end in rounds. */
const QUIET_MS: readonly number[] = [20, 300, 1600]
/** The longest pauses that readers ask for; mostly they have the default. */
const MAX_POLLS_MS: readonly (number | undefined)[] = [undefined, undefined, 20, 100, 700]
/** The longest pause by default, where the device does not report changes. */
export const LONGEST_POLL_MS = 250
/** What requests of a look, and of a pop, may take besides. */
export const REQUESTS_MS = 250

/**
 * Runs last, on the empty ring: a reader that waits has each item within its longest pause, whatever it has seen of the
 * ring while there was nothing. Both roles have a process of their own on one machine, so there are hints in the runs
 * that have any.
 */
export async function waitingCheck(simulation: ObservedSimulation): Promise<void> {
  const { ring, world } = simulation
  const random = Random.of(world.seed, nameOf('waiting'))
  const host = new SimHost('waiting')
  const processOf = (role: string): SimProcess =>
    new SimProcess(world, host, new RequestNames(`waiting ${role}`))
  const consuming = processOf('consumer')
  const producing = processOf('producer')
  const consumer = await ring.attachConsumer(await simulation.observe(consuming), {
    clock: consuming.clock,
  })
  const maxPollMs = random.pick(MAX_POLLS_MS)
  const reader = readerOn<Uint8Array>(consumer, {
    clock: consuming.clock,
    ...(maxPollMs && { maxPollMs }),
  })
  const device = await simulation.observe(producing)
  const attached = await ring.attachProducer(device, { clock: producing.clock })
  if (attached.status !== 'attached') throw new Violation('wedged', 'an empty ring is suspended')
  const withinMs = (maxPollMs ?? LONGEST_POLL_MS) + REQUESTS_MS
  for (let number = 0; number < ITEMS; number++) {
    await receive(reader, attached.producer, producing, random.pick(QUIET_MS), withinMs)
  }
  await reader.close()
  await attached.producer.close()
}

async function receive(
  reader: RingReader,
  producer: Producer,
  { clock }: SimProcess,
  quietMs: number,
  withinMs: number,
): Promise<void> {
  let isReceived = false
  const received = reader.receive().then((entry) => {
    isReceived = true
    return entry
  })
  // It rejects when the run has ended and the reader is closed.
  received.catch(() => undefined)
  await clock.sleep(quietMs)
  await producer.append([new Uint8Array([1, 2, 3])])
  if (!(await untilTrue(withinMs, clock, () => isReceived))) {
    throw new Violation('waiting', `a reader that waits has nothing ${withinMs} ms after an item`)
  }
  await (await received).ack()
}
