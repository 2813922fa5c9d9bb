import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { json } from '../../src/codec/index.ts'
import { partitioned } from '../../src/fan/index.ts'
import { RingWriter } from '../../src/index.ts'
import { inspectRing } from '../../src/tools.ts'
import { SEED } from '../helpers/seed.ts'
import { randomFrom } from './items.mjs'

const RINGS = 16
const KEYS = 64
const MEMBERS = 4
/** About what an item leaves in the log. */
const BYTES_LOGGED = 25
const worker = fileURLToPath(new URL('group-worker.mjs', import.meta.url))

interface Item {
  readonly key: number
  readonly number: number
}

/** Tests a group whose members come and go, with so many items. */
export function testGroup(items: number, kills: number): void {
  test('members that come, go and are killed handle each item, each key in its order', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sbr-group-'))
    try {
      await fill(folder, items)
      await workUnderKills(folder, items, kills)
      check(readFileSync(join(folder, 'log'), 'utf8'), items)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
}

async function fill(folder: string, items: number): Promise<void> {
  const writers: RingWriter<Item>[] = []
  for (let ring = 0; ring < RINGS; ring++) {
    const path = join(folder, `ring-${ring}`)
    const device = await FileBlockDevice.create(path, { sizeBytes: 8 << 20, sparse: true })
    writers.push(await RingWriter.open(device, { createIfMissing: true, codec: json<Item>() }))
  }
  const all = Array.from({ length: items }, (_, at) => ({
    key: at % KEYS,
    number: Math.floor(at / KEYS),
  }))
  await partitioned(writers, ({ key }) => key).pushMany(all)
  for (const writer of writers) {
    const { device } = writer.producer
    await writer.close()
    await device.disconnect()
  }
}

async function workUnderKills(folder: string, items: number, kills: number): Promise<void> {
  const random = randomFrom(SEED)
  const members = new Set<ChildProcess>()
  const enter = (): void => {
    const stdio = ['ignore', 'ignore', 'inherit'] as const
    const member = spawn(process.execPath, [worker, folder, String(RINGS)], { stdio: [...stdio] })
    members.add(member)
    member.once('exit', (code, signal) => {
      members.delete(member)
      if (code !== 0 && signal === null) failed.push(`exit ${code}`)
    })
  }
  const failed: string[] = []
  const log = join(folder, 'log')
  const bytes = (): number => (existsSync(log) ? statSync(log).size : 0)
  try {
    for (let killed = 0, next = 0; ; ) {
      while (members.size < MEMBERS) enter()
      await sleep(20)
      if (killed < kills && bytes() >= next) {
        // Half of those that go release their rings.
        const how = random(2) === 0 ? 'SIGKILL' : 'SIGTERM'
        ;[...members][random(members.size)]?.kill(how)
        killed++
        next = bytes() + random((items * BYTES_LOGGED) / kills)
      } else if ((await waiting(folder)) === 0) break
      expect(failed).toEqual([])
    }
    const ended = [...members].map((member) => once(member, 'exit'))
    for (const member of members) member.kill('SIGTERM')
    await Promise.all(ended)
    expect(failed).toEqual([])
  } finally {
    for (const member of members) member.kill('SIGKILL')
  }
}

async function waiting(folder: string): Promise<number> {
  let all = 0
  for (let ring = 0; ring < RINGS; ring++) {
    const device = await FileBlockDevice.open(join(folder, `ring-${ring}`))
    all += (await inspectRing(device)).waitingItems ?? 0
    await device.disconnect()
  }
  return all
}

/** No item begins before all earlier ones of its key have ended; at the end all have. */
function check(log: string, items: number): void {
  const ended = new Map<number, number>()
  for (const [, event, key, number] of log.matchAll(/^(begin|end) (\d+) (\d+)$/gm)) {
    const [of, at] = [Number(key), Number(number)]
    const before = ended.get(of) ?? 0
    if (at > before) throw new Error(`${event} of item ${at} of key ${of} after ${before} items`)
    if (event === 'end') ended.set(of, Math.max(before, at + 1))
  }
  for (let key = 0; key < KEYS; key++) {
    expect(ended.get(key)).toBe(Math.floor(items / KEYS) + (key < items % KEYS ? 1 : 0))
  }
}
