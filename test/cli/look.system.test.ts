import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { Producer } from '../../src/ring/attach.ts'
import { frame, jsonError, numbers, ok, sbr, start, temporaryFolder } from './cli.ts'
import { damage, makeRing } from './tools.ts'

async function emptyRing(path: string, format: 1 | 2): Promise<void> {
  await using device = await FileBlockDevice.create(path, { sizeBytes: 1 << 20 })
  await Producer.create(device, { format })
}

const lines = (stdout: Buffer): string[] => stdout.toString().split('\n').slice(0, -1)

describe.each([1, 2] as const)('format %i: head', (format) => {
  test('prints the next items, and changes nothing', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await emptyRing(path, format)
    expect((await sbr(['head', path])).code).toBe(3)
    await ok(['produce', path], numbers(1, 20))
    const before = readFileSync(path)
    expect((await ok(['head', path])).toString()).toBe(numbers(1, 10))
    expect((await ok(['head', path, '-n', '3'])).toString()).toBe(numbers(1, 3))
    expect((await ok(['head', path, '--count', '50'])).toString()).toBe(numbers(1, 20))
    expect(readFileSync(path).equals(before)).toBe(true)
    await ok(['consume', path, '--count', '4'])
    expect((await ok(['head', path, '-n', '1'])).toString()).toBe('5\n')
  })

  test('prints frames, and objects', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await emptyRing(path, format)
    const items = Array.from({ length: 5 }, (_, index) => randomBytes(index * 20_000))
    await ok(['produce', path, '--frames'], Buffer.concat(items.map(frame)))
    const framed = await ok(['head', path, '--frames', '-n', '4'])
    expect(framed.equals(Buffer.concat(items.slice(0, 4).map(frame)))).toBe(true)
    const objects = lines(await ok(['head', path, '--json'])).map((line) => JSON.parse(line))
    expect(objects.map(({ hex }) => hex)).toEqual(items.map((item) => item.toString('hex')))
    expect(objects.map(({ bytes }) => bytes)).toEqual(items.map(({ length }) => length))
    const known = {
      position: expect.stringMatching(/^2:5$/),
      number: 5,
      pushedAt: expect.any(String),
    }
    expect(objects[4]).toMatchObject(format === 2 ? known : { position: '200020' })
    if (format === 2) expect(Date.now() - Date.parse(objects[4].pushedAt)).toBeLessThan(600_000)
  })

  test('works while both ends do', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await emptyRing(path, format)
    const count = 200_000
    await using producer = start(['produce', path])
    producer.child.stdin.end(numbers(1, count))
    await using consumer = start(['consume', path, '--count', String(count)])
    let last = 0
    for (let look = 0; look < 10; look++) {
      const { code, stdout, stderr } = await sbr(['head', path, '-n', '500'])
      expect([0, 3]).toContain(code)
      if (code === 3) expect(stderr).toContain('is empty now')
      // Some may have been given back in between: what comes is in order, and was pushed.
      for (const number of lines(stdout).map(Number)) {
        expect(number).toBeGreaterThan(last)
        last = number
      }
    }
    expect((await consumer.ended).code).toBe(0)
    expect(last).toBeLessThanOrEqual(count)
  })
})

test('head stops at damage, after what is before it', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\nthree\n')
  damage(path, readFileSync(path).indexOf('two'))
  const stopped = await sbr(['head', path, '--json'])
  expect(stopped.code).toBe(1)
  expect(lines(stopped.stdout).map((line) => JSON.parse(line).hex)).toEqual(['6f6e65'])
  expect(jsonError(stopped)).toMatchObject({ code: 'RING_DAMAGED', items: 1 })
})
