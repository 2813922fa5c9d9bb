import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { diagnose, jsonError, numbers, ok, sbr, start, temporaryFolder } from './cli.ts'

test('suspends and resumes while both ends run', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB'])
  await using consumer = start(['consume', path])
  await using producer = start(['produce', path])
  producer.child.stdin.write(numbers(1, 1000))
  await consumer.printed((stdout) => stdout.toString() === numbers(1, 1000))

  await ok(['suspend', path, '--timeout', '10s'])
  await ok(['suspend', path, '--timeout', '10s'])
  expect(await diagnose(path)).toMatchObject({
    producer: { suspendAck: true, offset: '8000' },
    consumer: { suspend: true },
  })
  producer.child.stdin.write(numbers(1001, 2000))
  await sleep(300)
  expect(await diagnose(path)).toMatchObject({ producer: { offset: '8000' } })

  await ok(['resume', path, '--timeout', '10s'])
  await ok(['resume', path, '--timeout', '10s'])
  await consumer.printed((stdout) => stdout.toString() === numbers(1, 2000))
  expect(await diagnose(path)).toMatchObject({
    producer: { suspendAck: false },
    consumer: { suspend: false },
  })
  producer.child.stdin.end()
  expect((await producer.ended).code).toBe(0)
})

test('a producer that waits for the end of a pause can be stopped', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB'])
  await sbr(['suspend', path, '--timeout', '0'])
  await using producer = start(['produce', path, '--json'])
  await ok(['suspend', path, '--timeout', '10s'])
  producer.child.kill('SIGTERM')
  const ended = await producer.ended
  expect(ended.code).toBe(143)
  expect(jsonError(ended)).toMatchObject({ code: 'CLI_STOPPED', pushed: 0 })
})

test('nobody acknowledges in time', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB'])
  const suspended = await sbr(['suspend', path, '--timeout', '200ms', '--json'])
  expect(suspended.code).toBe(3)
  expect(jsonError(suspended)).toMatchObject({ code: 'CLI_TIMEOUT', requested: true })
  const resumed = await sbr(['resume', path, '--timeout', '200ms', '--json'])
  expect(resumed.code).toBe(3)
  expect(jsonError(resumed)).toMatchObject({ code: 'CLI_TIMEOUT', requested: false })
  expect(await diagnose(path)).toMatchObject({ consumer: { suspend: true } })
})

test('a wait without a timeout can be stopped', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB'])
  await using suspending = start(['suspend', path])
  while (!JSON.stringify(await diagnose(path)).includes('"suspend":true')) await sleep(20)
  suspending.child.kill('SIGINT')
  expect((await suspending.ended).code).toBe(130)
})
