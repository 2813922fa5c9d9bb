import { MemoryBlockDevice } from '../../dist/block/index.js'
import { Consumer, Producer } from '../../dist/index.js'

/** Items that are pushed after a power cut, to see that the ring still works. */
const MORE = 3

/**
 * Attaches both roles to what a disk held after a power cut, and checks it against what had been acknowledged.
 * @throws {Error} a guarantee is violated, or the ring's own error
 */
export async function verify(medium, progress, { format, items, consumerFirst }) {
  const device = await MemoryBlockDevice.from(medium)
  // A creation that was cut short can be done again.
  if (!progress.created) await Producer.create(device, { format })
  let producer = consumerFirst ? undefined : await attach(device)
  const next = checkFound(await drain(device), progress, items)
  producer ??= await attach(device)
  const more = Array.from({ length: MORE }, (_, at) => items.item(next + at))
  const { status } = await producer.append(more)
  check(status === 'ok', `an append to an empty ring said ${status}`)
  await producer.close()
  const found = await drain(device)
  check(found.length === MORE, `of ${MORE} more items ${found.length} came through`)
  checkBytes(found, next, items)
}

async function attach(device) {
  const { status, producer } = await Producer.attach(device)
  check(status === 'attached', `the producer found the ring ${status}`)
  return producer
}

/** Everything that there is, which a consumer acknowledges. */
async function drain(device) {
  const consumer = await Consumer.attach(device)
  const found = []
  for (;;) {
    const popped = await consumer.popMany()
    if (popped.length === 0) break
    found.push(...popped.map(({ item }) => item))
    await consumer.advance(popped.at(-1).position)
  }
  await consumer.close()
  return found
}

/** Answers the index of the item after those found. */
function checkFound(found, { producer, consumer }, items) {
  // One write moves the consumer, so it is where it was or where it was to go, and nowhere between.
  const from =
    found.length === 0
      ? consumer.begun
      : [consumer.done, consumer.begun].find((index) => items.item(index).equals(found[0]))
  check(
    from !== undefined,
    `everything before item ${consumer.done} was acknowledged, and at most before ${consumer.begun}, but the first of ` +
      `${found.length} items is another one`,
  )
  checkBytes(found, from, items)
  const next = from + found.length
  check(
    next >= producer.done,
    `items ${next} to ${producer.done - 1} were acknowledged, and are lost`,
  )
  check(next <= producer.begun, `items ${producer.begun} to ${next - 1} were never made visible`)
  return next
}

function checkBytes(found, from, items) {
  found.forEach((item, at) => {
    check(items.item(from + at).equals(item), `something else is in place of item ${from + at}`)
  })
}

function check(kept, problem) {
  if (!kept) throw new Error(problem)
}
