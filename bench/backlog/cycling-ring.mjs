// A ring that stays as full as it is while it is measured: what is pushed is taken again.
import { Consumer, Producer, RingWriter } from '../lib/ring.mjs'
import { makeItems } from '../lib/work.mjs'

const SINGLES = 20
const BATCH = 1000
const TAKEN = 100

/** Pushes batches until that is enough, which is asked with the items pushed, the bytes used and the capacity. */
export async function fillTo(device, isEnough, itemBytes) {
  const { producer } = await Producer.attach(device)
  const consumer = await Consumer.attach(device)
  const items = makeItems(itemBytes)
  const { capacityBytes: capacity } = producer
  const used = () => Number(producer.logOffset - consumer.logOffset)
  for (let pushed = 0; !isEnough({ pushed, used: used(), capacity }); pushed += items.length) {
    const { status } = await producer.append(items)
    if (status !== 'ok') throw new Error(`there is no room after ${pushed} items`)
  }
  await producer.close()
  await consumer.close()
}

/** Both roles of one ring. */
export class CyclingRing {
  #device
  #writer
  #consumer
  #items
  #usedAtFirst

  static async open(device, itemBytes) {
    const ring = new CyclingRing()
    ring.#device = device
    ring.#writer = await RingWriter.open(device)
    ring.#consumer = await Consumer.attach(device)
    ring.#items = makeItems(itemBytes).slice(0, BATCH)
    ring.#usedAtFirst = ring.#used
    return ring
  }

  get #used() {
    return this.#writer.producer.logOffset - this.#consumer.logOffset
  }

  /** Microseconds an item, by the way in which it is pushed or taken. */
  async cycle(times) {
    const us = { push: 0, pushBatch: 0, take: 0, takeMany: 0 }
    const timed = async (what, work) => {
      const began = performance.now()
      await work()
      us[what] += (performance.now() - began) * 1000
    }
    for (let time = 0; time < times; time++) {
      await timed('push', () => this.#repeat(SINGLES, (at) => this.#writer.push(this.#items[at])))
      await timed('take', () => this.#repeat(SINGLES, () => this.#take(1)))
      await timed('pushBatch', () => this.#writer.pushMany(this.#items))
      await timed('takeMany', () => this.#repeat(BATCH / TAKEN, () => this.#take(TAKEN)))
      // An item that was pushed by itself takes a block, one that is taken for it may have been a part of one.
      while (this.#used > this.#usedAtFirst) await this.#take(TAKEN)
    }
    return {
      push: us.push / (times * SINGLES),
      take: us.take / (times * SINGLES),
      pushBatch: us.pushBatch / (times * BATCH),
      takeMany: us.takeMany / (times * BATCH),
    }
  }

  async close() {
    await this.#writer.close()
    await this.#consumer.close()
    await this.#device.disconnect()
  }

  async #repeat(times, work) {
    for (let at = 0; at < times; at++) await work(at)
  }

  async #take(maxItems) {
    const popped = await this.#consumer.popMany({ maxItems })
    if (popped.length < maxItems) throw new Error('items were lost')
    await this.#consumer.advance(popped.at(-1).position)
  }
}
