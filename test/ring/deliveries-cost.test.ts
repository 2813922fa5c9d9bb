import { expect, test } from 'vitest'
import { asPosition } from '../../src/position.ts'
import { Deliveries, type Delivery } from '../../src/ring/queue/deliveries.ts'
import { stepsOf } from '../helpers/steps.ts'

const FILES = ['/src/ring/queue/deliveries.ts']
const FEW = 2000
/** How many times as many there are for comparison. */
const TIMES = 8

function delivered(count: number): readonly [Deliveries, readonly Delivery[]] {
  const deliveries = new Deliveries(asPosition(0n))
  const all = Array.from({ length: count }, (_, n) =>
    deliveries.deliver(asPosition(BigInt(n + 1)), asPosition(BigInt(n))),
  )
  return [deliveries, all]
}

/** Steps with so many entries; everything else is made before the counting begins. */
const costs: Readonly<Record<string, (entries: number) => Promise<number>>> = {
  'to be delivered': (entries) => stepsOf(FILES, () => delivered(entries)),
  'to be finished behind one that is not, the last one first': (entries) => {
    const [deliveries, [, ...behind]] = delivered(entries)
    behind.reverse()
    return stepsOf(FILES, () => {
      for (const one of behind) if (deliveries.finish(one)) throw new Error('the first one is not')
    })
  },
  'to leave the ring, once the first one is finished too': (entries) => {
    const [deliveries, [first, ...behind]] = delivered(entries)
    for (const one of behind) deliveries.finish(one)
    return stepsOf(FILES, () => {
      if (first !== undefined) deliveries.finish(first)
      deliveries.forgetThrough(deliveries.finishedTo)
      if (deliveries.size > 0) throw new Error('some are held')
    })
  },
}

test.each(Object.entries(costs))(
  'an entry takes as many steps %s, however many are held',
  async (_, cost) => {
    const few = (await cost(FEW)) / FEW
    const many = (await cost(FEW * TIMES)) / (FEW * TIMES)
    expect(few).toBeGreaterThan(1)
    expect(many).toBeLessThan(few * 1.25)
  },
)
