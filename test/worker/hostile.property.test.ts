import type { MessagePort } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { RingError } from '../../src/errors.ts'
import { RingConnection } from '../../src/worker/index.ts'
import { helloMessage, VERSION } from '../../src/worker/protocol.ts'
import { fc } from '../helpers/property.ts'
import { item, TestWorker, texts } from './worker.ts'

/** What can be posted: nearly right messages, and anything else. */
const anything = fc.anything({ withBigInt: true, withTypedArray: true, withMap: true, maxDepth: 3 })
const id = fc.oneof(fc.nat(9), fc.constant(-1), fc.constant(0.5), anything)
const request = fc.record(
  {
    id,
    call: fc.oneof(
      fc.constantFrom('open', 'push', 'receive', 'ack', 'seek', 'stats', 'stop', 'close'),
      anything,
    ),
    items: fc.oneof(fc.array(fc.uint8Array({ maxLength: 9 })), fc.array(anything), anything),
    maxItems: id,
    maxBytes: id,
    entry: id,
    position: fc.oneof(fc.bigInt(), fc.constantFrom(1n, 2n ** 48n + 1n), anything),
  },
  { requiredKeys: [] },
)
const error = fc.record(
  {
    kind: fc.oneof(fc.constantFrom('ring', 'block', 'TypeError', 'Error'), anything),
    code: fc.oneof(fc.constant('RING_DAMAGED'), anything),
    message: fc.oneof(fc.string(), anything),
    details: anything,
    cause: anything,
  },
  { requiredKeys: ['kind', 'code', 'message'] },
)
const entry = fc.record({
  entry: id,
  bytes: fc.oneof(fc.uint8Array({ maxLength: 9 }), anything),
  position: fc.oneof(fc.bigInt(), anything),
  pushedAt: fc.oneof(fc.integer(), anything),
  missed: id,
})
const value = fc.oneof(
  fc.record({ format: fc.constantFrom(1, 2, 3), entries: fc.array(entry, { maxLength: 3 }) }),
  fc.record({ format: fc.constantFrom(1, 2), capacity: id, used: id, waitingItems: id }),
  fc.bigInt(),
  anything,
)
const answer = fc.oneof(
  fc.record({ id, value }),
  fc.record({ id, error: fc.oneof(error, anything) }),
  fc.record({ id, stopped: fc.oneof(fc.constant(true), anything) }),
  fc.record({ gone: fc.oneof(error, anything), ended: fc.boolean() }),
  fc.record({ welcome: id, lock: anything }),
  anything,
)

/** Posts what can be posted at all. */
function post(port: Pick<MessagePort, 'postMessage'>, messages: readonly unknown[]): void {
  for (const message of messages) {
    try {
      port.postMessage(message)
    } catch {
      // It has a function in it, or something else that no message has.
    }
  }
}

test('whatever a page says, the worker continues serving others, and loses no item', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(request, anything), { maxLength: 12 }), async (messages) => {
      await using worker = new TestWorker()
      const page = await worker.page()
      await page.push(item('mine'))
      const { port1, port2 } = new MessageChannel()
      const hello = helloMessage({ version: VERSION, port: port2 as never, lock: undefined })
      worker.target.postMessage(hello, [port2 as never])
      post(worker.target, messages)
      post(port1, messages)
      await page.push(item('after'))
      port1.close()
      // What it took and did not acknowledge comes back; what it acknowledged is done with.
      const { waitingItems = 0 } = await page.status()
      let found = 0
      while (found < waitingItems) found += (await page.receiveMany()).length
      expect(found).toBe(waitingItems)
    }),
  )
})

test('whatever a worker says, a page ends with an error of its own', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(answer, { maxLength: 12 }), async (messages) => {
      const { port1, port2 } = new MessageChannel()
      port2.addEventListener('message', (event) => {
        const { port } = (event as MessageEvent).data as { readonly port: MessagePort }
        port.postMessage({ welcome: VERSION, lock: undefined })
        port.once('message', () => {
          post(port, messages)
          port.close()
        })
      })
      port2.start()
      const page = await RingConnection.open(port1).catch((thrown: unknown) => thrown)
      if (!(page instanceof RingConnection)) {
        expect(page).toBeInstanceOf(Error)
        return port1.close()
      }
      const results = await Promise.allSettled([
        page.push(item('a')),
        page.receiveMany(),
        page.status(),
      ])
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(Error)
      }
      await page.close()
      port1.close()
    }),
  )
})

test('a port that a worker closes counts as the end of the worker', async () => {
  await using worker = new TestWorker()
  const page = await worker.page()
  await page.push(item('a'))
  expect(texts([await page.receive()])).toEqual(['a'])
  const waiting = page.receive()
  await worker.server.close()
  await expect(waiting).rejects.toThrow(RingError)
})
