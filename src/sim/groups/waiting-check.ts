import { RingWriter } from '../../ring/queue/writer.ts'
import { Violation } from '../runs/violation.ts'
import { nameOf, Random } from '../world/random.ts'
import { untilTrue } from '../world/until-true.ts'
import { bytesOf } from './fan.ts'
import type { GroupsRun } from './run.ts'
import { DONE_MS, RECEIVED_MS } from './times.ts'

/** How long all rings are quiet at first: by then pauses are so long that those of a member's readers end together. */
const QUIET_MS = 2000
/** Pauses between two items, at most. */
const PAUSE_MS = 300

/**
 * Pushes an item into each ring, one after the other, when all have been quiet: the member that has the ring receives
 * it.
 */
export async function waitingCheck(run: GroupsRun): Promise<void> {
  const { plan, oracle, rings, producers } = run
  const random = Random.of(plan.seed, nameOf('waiting'))
  const process = rings.outside('waiting producer', producers[0]?.host)
  const { clock } = process
  const devices = await rings.open(process)
  await clock.sleep(QUIET_MS)
  const numbers = devices.map((_, number) => number)
  while (numbers.length > 0) {
    const [number = 0] = numbers.splice(random.below(numbers.length), 1)
    const device = devices[number]
    if (device === undefined) throw new Error('each number is of a ring')
    const writer = await RingWriter.open(device, { clock })
    await clock.sleep(random.float() * PAUSE_MS)
    const item = oracle.push(`waiting ${number}`, number)
    const { taken } = oracle
    await writer.push(bytesOf(item.text))
    item.committed = true
    // A ring that moves meanwhile is received from once its next holder has it.
    const isReceived = (): boolean => item.begun || oracle.taken !== taken
    if (!(await untilTrue(RECEIVED_MS, clock, isReceived))) {
      throw new Violation(
        'waiting',
        `nobody has received ${item.text} of ring ${number} in ${RECEIVED_MS} ms`,
      )
    }
    if (!(await untilTrue(DONE_MS, clock, () => item.finished))) {
      throw new Violation('waiting', `nobody has handled ${item.text} of ring ${number}`)
    }
    await writer.close()
  }
  process.exit()
}
