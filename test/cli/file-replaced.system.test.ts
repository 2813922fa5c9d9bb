import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { jsonError, start, temporaryFolder } from './cli.ts'
import { look, makeRing } from './rings.ts'

/** Waits until the ring has had so many items. */
async function untilPushed(path: string, items: number): Promise<void> {
  while ((await look(path)).waitingItems !== items) await sleep(20)
}

test('a ring that is removed, or made again, under a producer at work ends it with an error', async () => {
  for (const makeAgain of [false, true]) {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await makeRing(path)
    await using producer = start(['produce', path, '--json'])
    producer.child.stdin.write('before\n')
    await untilPushed(path, 1)
    rmSync(path)
    if (makeAgain) await makeRing(path)
    // A little input now and then, as long as the producer takes it for pushed.
    while (producer.child.exitCode === null) {
      producer.child.stdin.write('after\n')
      await sleep(50)
    }
    const ended = await producer.ended
    expect(ended.code).toBe(1)
    expect(jsonError(ended)).toMatchObject({ code: 'BLOCK_REPLACED', device: path })
    if (makeAgain) expect((await look(path)).waitingItems).toBe(0)
  }
})

test('a consumer that waits for items of a ring that is removed ends with an error', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path)
  await using consumer = start(['consume', path, '--json'])
  await using producer = start(['produce', path, '--json'])
  producer.child.stdin.write('before\n')
  await consumer.printed((stdout) => stdout.includes(Buffer.from('before').toString('hex')))
  rmSync(path)
  const ended = await consumer.ended
  expect(ended.code).toBe(1)
  expect(jsonError(ended)).toMatchObject({ code: 'BLOCK_REPLACED', device: path })
})
