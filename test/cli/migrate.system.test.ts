import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { Consumer } from '../../src/ring/access/attach.ts'
import type { AttachOptions, Producer } from '../../src/ring/types.ts'
import { append, attachProducer } from '../helpers/ring.ts'
import { diagnose, jsonError, numbers, ok, sbr, start, temporaryFolder } from './cli.ts'
import { look } from './rings.ts'
import { damage, makeRing } from './tools.ts'

test('moves a ring of format 1 to a larger one of format 2, which it makes', async () => {
  using folder = temporaryFolder()
  const from = folder.file('old')
  const to = folder.file('new')
  await ok(['create', from, '--format', '1', '--size', '64KiB'])
  await ok(['produce', from], numbers(1, 100))
  const flags = ['--size', '1MiB', '--name', 'orders']
  const kept = await ok(['migrate', from, to, ...flags, '--keep', '--json'])
  const lost = { damagedItems: 0, missedItems: 0, live: false }
  expect(JSON.parse(kept.toString())).toEqual({
    ...{ from, to, items: 100, bytes: 192, movedBefore: 0, ...lost },
  })
  expect(await diagnose(from)).toMatchObject({ format: 1, items: { length: 100 } })
  expect((await ok(['migrate', from, to])).toString()).toBe(
    `${to}: moved 0 items, 0 bytes; 100 were there already\n`,
  )
  expect(await diagnose(from)).toMatchObject({ usedBytes: 0 })
  expect(await diagnose(to)).toMatchObject({
    ...{ format: 2, waitingItems: 100, capacityBytes: (1 << 20) - 12 * 4096 },
    ring: { name: 'orders', blockSize: 4096 },
  })
  expect((await ok(['consume', to, '--drain'])).toString()).toBe(numbers(1, 100))
})

test('adds to a ring with items of its own only when it is told to', async () => {
  using folder = temporaryFolder()
  const [from, to] = [folder.file('old'), folder.file('new')]
  for (const path of [from, to]) {
    await ok(['create', path, '--size', '256KiB'])
    await ok(['produce', path], `${path}\n`)
  }
  const before = readFileSync(to)
  const refused = await sbr(['migrate', from, to, '--json'])
  expect(refused.code).toBe(1)
  const { code, message } = jsonError(refused)
  expect(code).toBe('RING_NOT_BLANK')
  expect(message).toContain(`sbr migrate ${from} ${to} --add. `)
  expect(message).toContain('would be there twice')
  // None of that helps.
  expect(message).not.toMatch(/holds items|sbr create|--erase|run it again/)
  expect(readFileSync(to).equals(before)).toBe(true)
  await ok(['migrate', from, to, '--add'])
  expect((await ok(['consume', to, '--drain'])).toString()).toBe(`${to}\n${from}\n`)
})

test('refuses what cannot be', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB'])
  expect(await sbr(['migrate', path, path])).toMatchObject({ code: 2 })
  expect(await sbr(['migrate', path, folder.file('new'), '--size', '4KiB'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--size: expected at least 65536 bytes'),
  })
  expect(await sbr(['create', path, '--block-size', '1000'])).toMatchObject({ code: 2 })
  const other = folder.file('other')
  await ok(['create', other, '--size', '64KiB'])
  expect(await sbr(['migrate', path, other, '--format', '1'])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--format: the ring on'),
  })
})

test('tells how many damaged items it skipped, and stops at them if it is not to', async () => {
  using folder = temporaryFolder()
  const [from, to] = [folder.file('old'), folder.file('new')]
  await makeRing(from, 'one\ntwo\nthree\n')
  damage(from, readFileSync(from).indexOf('two'))
  const stopped = await sbr(['migrate', from, to, '--size', '64KiB', '--json'])
  expect(jsonError(stopped)).toMatchObject({ code: 'RING_DAMAGED', items: 1, moved: 1 })
  expect(jsonError(stopped)['message']).toContain(`sbr migrate ${from} NEW --skip-damage`)
  expect(jsonError(stopped)['message']).not.toContain('run it again')
  expect((await ok(['migrate', from, to, '--skip-damage', '--keep'])).toString()).toBe(
    `${to}: moved 1 item, 5 bytes; 1 was there already; 1 damaged item lost\n`,
  )
  const json = (await ok(['migrate', from, to, '--skip-damage', '--json'])).toString()
  expect(JSON.parse(json)).toMatchObject({
    items: 0,
    movedBefore: 2,
    damagedItems: 1,
    missedItems: 0,
  })
  expect((await ok(['consume', to, '--drain'])).toString()).toBe('one\nthree\n')
})

test('damage in a ring of format 1 is not to be skipped, and it says so', async () => {
  using folder = temporaryFolder()
  const [from, to] = [folder.file('old'), folder.file('new')]
  await ok(['create', from, '--format', '1', '--size', '64KiB'])
  await ok(['produce', from], 'one\ntwo\n')
  damage(from, 1536 + 8 + 2)
  const stopped = await sbr(['migrate', from, to, '--size', '64KiB', '--skip-damage'])
  expect(stopped.code).toBe(1)
  expect(stopped.stderr).toContain('In format 1 later items cannot be found')
  expect(stopped.stderr).toContain(`sbr create ${from} --format 1 --erase --force`)
  expect(stopped.stderr).not.toContain('run it again')
})

test('says what it waits for: room in NEW, or the end of a pause', async () => {
  using folder = temporaryFolder()
  const [from, to] = [folder.file('old'), folder.file('new')]
  await ok(['create', from, '--size', '1MiB'])
  await ok(['produce', from], numbers(1, 20_000))
  await using migrating = start(['migrate', from, to, '--size', '64KiB'])
  await migrating.complained((stderr) =>
    stderr.includes(`${to} is full or suspended; waiting until a consumer makes room`),
  )
  migrating.child.kill('SIGINT')
  const ended = await migrating.ended
  expect(ended.code).toBe(130)
  expect(ended.stderr).toMatch(/Items moved so far: [\d,]+; run it again to continue/)

  await sbr(['suspend', to, '--timeout', '0'])
  await using waiting = start(['migrate', from, to])
  await waiting.complained((stderr) => stderr.includes(`${to} is suspended; waiting until`))
  waiting.child.kill('SIGINT')
  expect((await waiting.ended).code).toBe(130)
})

async function openHere(path: string): Promise<FileBlockDevice> {
  const device = await FileBlockDevice.open(path)
  onTestFinished(() => device.disconnect())
  return device
}

/** A producer at work in this process. */
async function producerOn(path: string, options: AttachOptions = {}): Promise<Producer> {
  const producer = await attachProducer(await openHere(path), options)
  onTestFinished(() => producer.close())
  return producer
}

describe('while a producer is running on OLD', () => {
  test('nothing is moved or made, unless --live says so', async () => {
    using folder = temporaryFolder()
    const [from, to] = [folder.file('old'), folder.file('new')]
    await makeRing(from, 'one\n')
    const producer = await producerOn(from, { client: 'busy one' })
    const refused = await sbr(['migrate', from, to, '--json'])
    expect([refused.code, jsonError(refused)]).toMatchObject([
      1,
      {
        code: 'BLOCK_CLAIMED',
        holder: expect.stringContaining('busy one'),
        message: expect.stringMatching(
          /items that it pushes at the end would stay in .*\(sbr suspend \S+\).* --live/,
        ),
      },
    ])
    expect(readdirSync(folder.path)).toEqual(['old'])
    const moved = await sbr(['migrate', from, to, '--size', '1MiB', '--live'])
    expect([moved.code, moved.stdout.toString()]).toEqual([0, `${to}: moved 1 item, 3 bytes\n`])
    expect(moved.stderr).toMatch(
      /^sbr: a producer is running on .* run it again with --live --add\n$/,
    )
    await append(producer, Buffer.from('two'))
    expect(await diagnose(from)).toMatchObject({ waitingItems: 1 })
    const json = await ok(['migrate', from, to, '--live', '--add', '--json'])
    expect(JSON.parse(json.toString())).toMatchObject({ items: 1, live: true })
    expect((await ok(['consume', to, '--drain'])).toString()).toBe('one\ntwo\n')
    await producer.close()
    const ended = await sbr(['migrate', from, to, '--live', '--add'])
    expect([ended.code, ended.stderr]).toEqual([0, ''])
  })

  test('one on another host shows by its lease', async () => {
    using folder = temporaryFolder()
    const [leased, from, to] = [folder.file('leased'), folder.file('old'), folder.file('new')]
    await makeRing(leased, 'one\n')
    await producerOn(leased, { lease: { owner: 'host-b' } })
    copyFileSync(leased, from)
    const refused = await sbr(['migrate', from, to, '--json'])
    expect([refused.code, jsonError(refused)]).toMatchObject([
      1,
      {
        code: 'RING_LEASED',
        holder: 'host-b',
        message: expect.stringMatching(/sbr lease break \S+ --role producer.*--live/),
      },
    ])
    expect(existsSync(to)).toBe(false)
    const moved = await sbr(['migrate', from, to, '--size', '1MiB', '--live'])
    expect([moved.code, moved.stderr]).toEqual([0, expect.stringContaining('"host-b"')])
  })

  test('one that has acknowledged a pause pushes nothing', async () => {
    using folder = temporaryFolder()
    const [from, to] = [folder.file('old'), folder.file('new')]
    await makeRing(from, 'one\n')
    const producer = await producerOn(from)
    await sbr(['suspend', from, '--timeout', '0'])
    expect((await sbr(['migrate', from, to])).code).toBe(1)
    expect(await producer.state()).toBe('suspended')
    const moved = await sbr(['migrate', from, to, '--size', '1MiB'])
    expect([moved.code, moved.stderr]).toEqual([0, ''])
  })
})

describe('a NEW that was made for it is gone again', () => {
  async function refuse(
    folder: ReturnType<typeof temporaryFolder>,
    code: string,
    ...flags: readonly string[]
  ): Promise<void> {
    const [from, to] = [folder.file('old'), folder.file('new')]
    for (const isEmptyFile of [false, true]) {
      if (isEmptyFile) writeFileSync(to, '')
      const refused = await sbr(['migrate', from, to, '--size', '64KiB', ...flags, '--json'])
      expect([refused.code, jsonError(refused)['code']]).toEqual([1, code])
      expect(refused.stderr).toContain(isEmptyFile ? 'is empty again' : 'was removed again')
      expect(readdirSync(folder.path)).toEqual(isEmptyFile ? ['new', 'old'] : ['old'])
      if (isEmptyFile) expect(statSync(to).size).toBe(0)
    }
    rmSync(to)
    expect(await look(from)).toMatchObject({ waitingItems: 1 })
  }

  test('if the first item is damaged', async () => {
    using folder = temporaryFolder()
    const from = folder.file('old')
    await makeRing(from, 'one\n')
    damage(from, readFileSync(from).indexOf('one'))
    await refuse(folder, 'RING_DAMAGED')
  })

  test('if the first item is larger than is taken, or than NEW', async () => {
    using folder = temporaryFolder()
    const from = folder.file('old')
    await makeRing(from, `${'long'.repeat(7000)}\n`)
    await refuse(folder, 'RING_ITEM_TOO_LARGE', '--max-item', '100')
    await refuse(folder, 'RING_ITEM_TOO_LARGE')
  })

  test('if a consumer is at work on OLD', async () => {
    using folder = temporaryFolder()
    const from = folder.file('old')
    await makeRing(from, 'one\n')
    const consumer = await Consumer.attach(await openHere(from))
    await refuse(folder, 'BLOCK_CLAIMED')
    await consumer.close()
  })

  test('if it is stopped before the first item was moved, and not after', async () => {
    using folder = temporaryFolder()
    const [from, to] = [folder.file('old'), folder.file('new')]
    await ok(['create', from, '--size', '1MiB'])
    await ok(['produce', from], `${'x'.repeat(90_000)}\n`.repeat(8))
    await using migrating = start(['migrate', from, to, '--size', '256KiB'])
    while (!existsSync(to)) await sleep(1)
    migrating.child.kill('SIGINT')
    expect((await migrating.ended).code).toBe(130)
    if (existsSync(to)) expect((await diagnose(to))['waitingItems']).toBeGreaterThan(0)
    else expect(readdirSync(folder.path)).toEqual(['old'])
  })
})

test('a NEW that was there, or in which items are, stays', async () => {
  using folder = temporaryFolder()
  const [from, to] = [folder.file('old'), folder.file('new')]
  await makeRing(from, 'one\n')
  damage(from, readFileSync(from).indexOf('one'))
  await ok(['create', to, '--size', '64KiB'])
  const refused = await sbr(['migrate', from, to, '--json'])
  expect(jsonError(refused)).toMatchObject({ code: 'RING_DAMAGED' })
  expect(refused.stderr).not.toContain('again')
  expect(await diagnose(to)).toMatchObject({ format: 2, usedBytes: 0 })
})

describe('sectors', () => {
  test("of OLD are --sector-size, of NEW --new-sector-size, and neither is the other's", async () => {
    using folder = temporaryFolder()
    const [from, to, large] = [folder.file('old'), folder.file('new'), folder.file('large')]
    const format1 = ['--format', '1', '--size', '64KiB']
    await ok(['create', from, ...format1, '--sector-size', '4096'])
    await ok(['produce', from, '--sector-size', '4096'], 'one\n')
    await ok(['migrate', from, to, ...format1, '--sector-size', '4096', '--keep'])
    expect((await ok(['consume', to, '--drain'])).toString()).toBe('one\n')
    await ok([
      ...['migrate', from, large, ...format1, '--keep'],
      ...['--sector-size', '4096', '--new-sector-size', '2048'],
    ])
    const drain = ['consume', large, '--drain', '--sector-size', '2048']
    expect((await ok(drain)).toString()).toBe('one\n')
  })

  test('that do not fit are told with the flag of the one that they are of', async () => {
    using folder = temporaryFolder()
    const [from, to] = [folder.file('old'), folder.file('new')]
    for (const path of [from, to]) await ok(['create', path, '--format', '1', '--size', '64KiB'])
    const old = await sbr(['migrate', from, to, '--sector-size', '4096'])
    expect(old.stderr).toContain(
      `${from} was made for sectors of 512 bytes, not 4096: use --sector-size 512`,
    )
    const fresh = await sbr(['migrate', from, to, '--new-sector-size', '4096', '--json'])
    expect([fresh.code, jsonError(fresh)]).toMatchObject([
      1,
      {
        code: 'RING_SECTOR_SIZE',
        message: expect.stringContaining('not 4096: use --new-sector-size 512'),
      },
    ])
    const none = await sbr(['migrate', from, to, '--new-sector-size', '1000'])
    expect([none.code, none.stderr]).toEqual([
      2,
      expect.stringContaining('new-sector-size: a sector size is'),
    ])
  })
})
