import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { diagnose, jsonError, numbers, ok, sbr, start, temporaryFolder } from './cli.ts'
import { look, makeRing } from './rings.ts'

test('suspends and resumes while both ends run', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path)
  await using consumer = start(['consume', path])
  await using producer = start(['produce', path])
  producer.child.stdin.write(numbers(1, 1000))
  await consumer.printed((stdout) => stdout.toString() === numbers(1, 1000))

  await ok(['suspend', path, '--timeout', '10s'])
  const again = await ok(['suspend', path, '--timeout', '10s', '--json'])
  expect(JSON.parse(again.toString())).toEqual({ device: path, state: 'suspended' })
  const suspended = await diagnose(path, '--no-items')
  expect(suspended).toMatchObject({
    producer: { suspendAck: true },
    consumer: { suspend: true },
  })
  producer.child.stdin.write(numbers(1001, 2000))
  await sleep(300)
  expect(await diagnose(path, '--no-items')).toMatchObject({ producer: suspended['producer'] })

  await ok(['resume', path, '--timeout', '10s'])
  const resumed = await ok(['resume', path, '--timeout', '10s', '--json'])
  expect(JSON.parse(resumed.toString())).toEqual({ device: path, state: 'running' })
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
  await makeRing(path)
  await sbr(['suspend', path, '--timeout', '0'])
  await using producer = start(['produce', path, '--json'])
  await ok(['suspend', path, '--timeout', '10s'])
  producer.child.kill('SIGTERM')
  const ended = await producer.ended
  expect(ended.code).toBe(143)
  expect(jsonError(ended)).toMatchObject({ code: 'CLI_STOPPED', pushed: 0 })
})

test('a second producer is refused while a suspended ring is waited for', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path)
  await sbr(['suspend', path, '--timeout', '0'])
  await using first = start(['produce', path, '--client', 'the first'])
  first.child.stdin.end('one\n')
  await first.complained((stderr) => stderr.includes('\n'))
  for (const flags of [[], ['--no-wait']]) {
    const second = await sbr(['produce', path, '--json', ...flags], 'two\n')
    expect(second.code).toBe(1)
    expect(jsonError(second)).toMatchObject({ code: 'BLOCK_CLAIMED', pushed: 0 })
    expect(second.stderr).toContain(`the producer role of ${path} is held by`)
    expect(second.stderr).toContain('the first')
  }
  expect((await sbr(['create', path, '--erase', '--force'])).code).toBe(1)
  await ok(['resume', path, '--timeout', '10s'])
  expect(await first.ended).toMatchObject({
    code: 0,
    stderr: `sbr: ${path} is suspended; waiting until it is resumed: sbr resume ${path}\n`,
  })
  expect((await ok(['consume', path, '--drain'])).toString()).toBe('one\n')
  await ok(['produce', path], 'three\n')
})

test('no producer grants it in time', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path)
  const suspended = await sbr(['suspend', path, '--timeout', '200ms', '--json'])
  expect(suspended.code).toBe(3)
  expect(jsonError(suspended)).toMatchObject({
    code: 'CLI_TIMEOUT',
    requested: true,
    message: expect.stringContaining(
      `so the next producer will pause; to undo it, start one, then: sbr resume ${path}`,
    ),
  })
  expect((await ok(['diagnostics', path])).toString()).toContain(
    'asked to suspend; the producer has not granted it yet\n',
  )
  const resumed = await sbr(['resume', path, '--timeout', '200ms', '--json'])
  expect(resumed.code).toBe(3)
  expect(jsonError(resumed)).toMatchObject({ code: 'CLI_TIMEOUT', requested: false })
  expect(await diagnose(path)).toMatchObject({ consumer: { suspend: true } })
  // The advice works.
  await using producer = start(['produce', path])
  await ok(['resume', path, '--timeout', '30s'])
  producer.child.stdin.end('one\n')
  expect((await producer.ended).code).toBe(0)
})

test('a wait without a timeout can be stopped', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path)
  await using suspending = start(['suspend', path])
  while (!(await look(path)).consumer.suspend) await sleep(20)
  await suspending.complained((stderr) =>
    stderr.includes(`no producer of ${path} has granted the request to suspend yet; it waits on`),
  )
  suspending.child.kill('SIGINT')
  expect((await suspending.ended).code).toBe(130)
})
