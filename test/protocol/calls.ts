import type { Position } from '../../src/position.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { GatedDevice, type ReplayDisk } from './disk.ts'
import type { Answer } from './machine.ts'

/** A process under test, with at most one call under way. */
export class Process {
  readonly device: GatedDevice
  readonly clock: FakeClock = new FakeClock()
  /** What the current call returned. */
  answer: Answer | undefined
  failure: unknown
  /** Its last action began by itself, when it was idle, and returns to no caller. */
  idling = false
  #producer: Producer | undefined
  #consumer: Consumer | undefined
  /** Positions of uncommitted items. */
  #held: Position[] = []
  /** The position that the last pop returned. */
  #at: Position | undefined

  constructor(disk: ReplayDisk) {
    this.device = new GatedDevice(disk, false)
  }

  /** Begins a call of a role; `answer` is set once it is over. */
  async begin(actor: 'producer' | 'consumer', call: string, item: Uint8Array): Promise<void> {
    this.idling = call === 'idle'
    if (this.idling) return this.clock.advance(1000)
    this.answer = undefined
    const under = actor === 'producer' ? this.#produce(call, item) : this.#consume(call)
    under.then(
      (answer) => {
        this.answer = answer
      },
      (error) => {
        this.failure = error
      },
    )
  }

  async #produce(call: string, item: Uint8Array): Promise<Answer> {
    const options = { clock: this.clock, refreshIntervalMs: 0 }
    if (call === 'attach') {
      const attached = await Producer.attach(this.device, options)
      if (attached.status === 'attached') this.#producer = attached.producer
      return { status: attached.status }
    }
    const producer = this.#producer
    if (producer === undefined) throw new Error('there is no producer')
    switch (call) {
      case 'detach':
        return done(producer.close())
      case 'state':
        return { status: await producer.state() }
      case 'advance':
        return done(producer.advance(this.#held.splice(0).at(-1) as Position))
      case 'advanceFirst':
        return done(producer.advance(this.#held.shift() as Position))
      case 'append':
      case 'append2': {
        const { status } = await producer.append([item])
        if (status === 'ok') this.#held = []
        return { status }
      }
      default: {
        const pushed = await producer.push(item)
        if (pushed.status === 'ok') this.#held.push(pushed.position)
        return { status: pushed.status }
      }
    }
  }

  async #consume(call: string): Promise<Answer> {
    if (call === 'attach') {
      const options = { clock: this.clock, refreshIntervalMs: 0 }
      this.#consumer = await Consumer.attach(this.device, options)
      return { status: 'attached' }
    }
    const consumer = this.#consumer
    if (consumer === undefined) throw new Error('there is no consumer')
    switch (call) {
      case 'detach':
        return done(consumer.close())
      case 'state':
        return { status: await consumer.state() }
      case 'suspend':
        return consumer.suspend()
      case 'resume':
        return consumer.resume()
      case 'advance':
        return done(consumer.advance(this.#at as Position))
      default: {
        const popped = await consumer.pop(this.#at)
        if (popped.status !== 'item') return { status: popped.status }
        if (popped.position <= (this.#at ?? -1n)) throw new Error('positions do not grow')
        this.#at = popped.position
        return { status: 'item', item: decodeItem(popped.item) }
      }
    }
  }
}

async function done(call: Promise<void>): Promise<Answer> {
  await call
  return { status: 'ok' }
}

/** An item that says its number in all of its bytes. */
export function encodeItem(number: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(number)
}

/**
 * @throws {Error} it is not what `encodeItem` made
 */
export function decodeItem(item: Uint8Array): number {
  const number = item[0] ?? 0
  if (item.some((byte) => byte !== number)) throw new Error('an item is mixed with something else')
  return number
}
