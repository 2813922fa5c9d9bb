import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type FakeServer, type Peer, startFake } from '../helpers/fake-nbd.ts'
import { jsonError, ok, sbr, type TemporaryFolder, temporaryFolder } from './cli.ts'
import { makeRing } from './tools.ts'

const EIO = 5
const SECTOR = 512
const READ = 0
const WRITE = 1
const DISCONNECT = 2
/** Superblock 2, a slot of the producer, and the block of the second line. */
const OWN = [16_384, 20_480]
const CONSUMER_LEASE = 40_960
const SECOND_LINE = 12_288 + 8 * 4096 + SECTOR

/** A server of a disk with sectors that cannot be read until they are written. */
async function serve(
  folder: TemporaryFolder,
  disk: Buffer,
  bad: Set<number>,
): Promise<{ readonly uri: string; readonly server: FakeServer }> {
  const socket = folder.file('socket')
  const server = await startFake(socket, async (peer: Peer) => {
    await peer.agree({ structured: false, size: disk.length })
    for (;;) {
      const request = await peer.request()
      const { type, offset, length } = request
      if (type === DISCONNECT) return
      const met = [...bad].filter((at) => at < offset + length && offset < at + SECTOR)
      if (type === READ && met.length > 0) {
        peer.simple(request, EIO)
        continue
      }
      peer.simple(request)
      if (type === READ) peer.send(disk.subarray(offset, offset + length))
      if (type !== WRITE) continue
      request.data.copy(disk, offset)
      for (const at of met) bad.delete(at)
    }
  })
  return { uri: `nbd+unix:///?socket=${socket}`, server }
}

test('a disk with unreadable sectors: found, told, mended, and what is left comes out', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  for (const line of ['one\n', 'two\n', 'three\n']) {
    if (line === 'one\n') await makeRing(path, line)
    else await ok(['produce', path], line)
  }
  const bad = new Set([...OWN, SECOND_LINE])
  const { uri, server } = await serve(folder, readFileSync(path), bad)
  await using _ = server

  const stuck = await sbr(['consume', uri, '--drain', '--json'])
  expect([stuck.code, jsonError(stuck)]).toMatchObject([1, { code: 'BLOCK_IO' }])
  const verified = await sbr(['verify', uri])
  expect(verified.code).toBe(1)
  expect(verified.stdout.toString()).toContain('1 item cannot be read')
  expect(verified.stdout.toString()).toContain('damage: superblock 2: cannot be read')
  expect(verified.stdout.toString()).toContain(' --zero-unreadable --write gives it up')

  const planned = await sbr(['repair', uri, '--zero-unreadable'])
  expect([planned.code, planned.stdout.toString()]).toEqual([
    1,
    expect.stringContaining('would be repaired with --write: 3 blocks'),
  ])
  expect(planned.stdout.toString()).toContain('gives up items 2 to 2')
  expect(bad.size).toBe(3)
  const refused = await sbr(['repair', uri, '--write'])
  expect([refused.code, [...bad]]).toEqual([1, [SECOND_LINE]])
  const given = await sbr(['repair', uri, '--write', '--zero-unreadable', '--json'])
  expect([given.code, JSON.parse(given.stdout.toString())]).toMatchObject([
    1,
    { written: true, left: [{ items: 1, numbers: { first: 2, last: 2 } }] },
  ])
  expect(bad.size).toBe(0)

  const told = await sbr(['verify', uri, '--json'])
  expect(told.code).toBe(1)
  expect(JSON.parse(told.stdout.toString())).toMatchObject({
    damagedItems: 1,
    findings: [{ numbers: { first: 2, last: 2 } }],
    log: { items: 2 },
  })
  const rest = await sbr(['consume', uri, '--drain', '--json'])
  expect(JSON.parse(rest.stdout.toString())).toMatchObject({ hex: '6f6e65' })
  expect(jsonError(rest)).toMatchObject({ code: 'RING_DAMAGED', items: 1 })
})

test('looking at a disk with unreadable sectors: what can be read is shown, and what cannot is told', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  await ok(['produce', path], 'two\n')
  const bad = new Set([20_480, CONSUMER_LEASE, SECOND_LINE])
  const { uri, server } = await serve(folder, readFileSync(path), bad)
  await using _ = server

  const slot = (await ok(['dump', uri, '--at', '20480', '--length', '16'])).toString()
  expect(slot).toContain('producer slot 1')
  expect(slot).toContain('Damaged: cannot be read')
  expect(slot).toContain(`       20480  ${Array(16).fill('??').join(' ')}  |${'?'.repeat(16)}|`)
  const json = JSON.parse((await ok(['dump', uri, '--at', '20992', '--json'])).toString())
  expect(json).toMatchObject({ structure: 'padding', unreadable: [] })

  const leases = (await ok(['lease', 'show', uri])).toString()
  expect(leases).toMatch(/^producer {2}never leased\nconsumer {2}cannot be read: the device fails/)
  const asJson = JSON.parse((await ok(['lease', 'show', uri, '--json'])).toString())
  expect(asJson).toMatchObject({
    producer: { status: 'never' },
    consumer: { status: 'unreadable', offset: CONSUMER_LEASE },
  })
  const migrated = await sbr(['migrate', uri, folder.file('new'), '--json'])
  expect([migrated.code, jsonError(migrated)]).toMatchObject([1, { code: 'BLOCK_IO' }])

  const state = await sbr(['diagnostics', uri, '--no-items'])
  expect(state.code).toBe(1)
  expect(state.stdout.toString()).toContain(
    'damaged   cannot be read: the device fails at 512 bytes',
  )
  const items = await sbr(['diagnostics', uri, '--json'])
  expect(items.code).toBe(1)
  expect(JSON.parse(items.stdout.toString())).toMatchObject({
    unreadable: [{ offset: 20_480 }, { offset: CONSUMER_LEASE }, { offset: SECOND_LINE }],
    items: [{ bytes: 3 }],
    error: { code: 'BLOCK_IO' },
  })
})
