import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FileBlockDevice } from '../../../src/block/file/index.ts'
import { deviceId } from '../../../src/block/file/sysfs.ts'
import { Producer } from '../../../src/index.ts'
import { inspectRing } from '../../../src/tools.ts'
import { needs } from '../../helpers/interop.ts'
import { attachLoop, type LoopDevice, loopProblem } from '../../helpers/loop.ts'
import { Contender, type Copies, copyPackage, ROOT } from './contender.ts'

const NOBODY = 65_534

let folder: string
let copies: Copies
let rings = 0
let ring: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sbr-strangers-'))
  copies = copyPackage(folder)
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

beforeEach(async () => {
  ring = join(folder, `ring-${rings++}`)
  await using device = await FileBlockDevice.create(ring, { sizeBytes: 1 << 17 })
  await Producer.create(device)
})

/** A program of this user. */
function own(koffi: 'with' | 'without' = 'with', by: readonly string[] = []): Contender {
  const name = `own ${rings}`
  return new Contender({ name, folder: copies[koffi], ring, command: [...by, process.execPath] })
}

/** A program of another user, who may do no more than the file's mode says. */
function stranger(): Contender {
  const script = 'stranger.mjs'
  return new Contender({ name: 'stranger', folder: copies.with, ring, user: NOBODY, script })
}

function userProblem(): string | undefined {
  if (process.getuid?.() !== 0) return 'another user can only be had as root'
  try {
    accessSync(process.execPath, constants.X_OK)
    execFileSync(process.execPath, ['--version'], { uid: NOBODY, gid: NOBODY, stdio: 'pipe' })
    return undefined
  } catch {
    return `nobody cannot run ${process.execPath}`
  }
}

async function isSuspended(): Promise<boolean> {
  await using device = await FileBlockDevice.open(ring, { mode: 'read-only' })
  return (await inspectRing(device)).consumer.suspend
}

describe('another user, who cannot read the ring,', () => {
  test('keeps no role by occupying its names, and is told', async (context) => {
    needs(context, userProblem())
    await using other = stranger()
    expect(await other.do('open')).toBe('BLOCK_OPEN')
    expect(await other.do('squat')).toBe('squatting')
    const produced = spawnSync(
      process.execPath,
      [join(ROOT, 'dist/cli/main.js'), 'produce', ring],
      {
        input: 'an item\n',
        encoding: 'utf8',
      },
    )
    const notice = `process ${other.child.pid} of user ${NOBODY} occupies the name of the producer role of ${ring}`
    expect(produced).toMatchObject({ status: 0, stderr: expect.stringContaining(notice) })
    for (const role of ['producer', 'consumer']) {
      await using first = own()
      expect(await first.do('take', { role }), role).toBe('taken')
      const [told] = (await first.do('notices')) as readonly unknown[]
      const reason = 'its user cannot write to the device'
      expect(told).toMatchObject({ event: 'stranger', role, reason, uid: NOBODY })
      expect(told).toMatchObject({ pid: other.child.pid })
      // Who passed over the names has the lock all the same.
      await using second = own()
      expect(await second.do('take', { role })).toMatchObject({ code: 'BLOCK_CLAIMED' })
      expect(await second.do('who', { role })).toEqual({
        holder: expect.stringContaining('another container'),
      })
      await using third = own('without')
      expect(await third.do('take', { role })).toMatchObject({ code: 'BLOCK_CLAIMED' })
    }
  })

  test('makes a consumer do nothing, and learns nothing from it', async (context) => {
    needs(context, userProblem())
    await using consumer = own()
    expect(await consumer.do('take', { role: 'consumer' })).toBe('taken')
    await using other = stranger()
    const outcomes = (await other.do('askToSuspend')) as readonly string[]
    expect([...new Set(outcomes)]).toEqual(['silent', 'no answer'])
    expect(await isSuspended()).toBe(false)
    expect(await other.do('flood', { calls: 400 })).toBe('flooded')
    expect(await isSuspended()).toBe(false)
    // Who can read the ring is heard, with koffi and without.
    for (const koffi of ['with', 'without'] as const) {
      await using asking = own(koffi)
      const who = (): Promise<unknown> => asking.do('who', { role: 'consumer' })
      await expect.poll(who, { timeout: 20_000 }).toMatchObject({ pid: consumer.child.pid })
    }
  })
})

describe('another user, who can only read the ring,', () => {
  beforeEach(() => chmodSync(ring, 0o644))

  test('keeps no role by its names, although it proves that it can read', async (context) => {
    needs(context, userProblem())
    await using reader = stranger()
    expect(await reader.do('claimReadOnly')).toBe('claimed')
    for (const role of ['producer', 'consumer']) {
      await using first = own()
      expect(await first.do('who', { role })).toBe('nobody')
      expect(await first.do('take', { role }), role).toBe('taken')
      const [told] = (await first.do('notices')) as readonly unknown[]
      expect(told).toMatchObject({ event: 'stranger', role, uid: NOBODY })
      await using second = own()
      expect(await second.do('take', { role })).toMatchObject({ code: 'BLOCK_CLAIMED' })
    }
  })

  test('keeps no role by locking the file for reading, and others stay excluded', async (context) => {
    needs(context, userProblem())
    await using reader = stranger()
    expect(await reader.do('lockForReading')).toBe(true)
    for (const role of ['producer', 'consumer']) {
      await using first = own()
      expect(await first.do('take', { role }), role).toBe('taken')
      expect(await first.do('notices')).toContainEqual({ event: 'obstructed', device: ring, role })
      for (const koffi of ['with', 'without'] as const) {
        await using second = own(koffi)
        expect(await second.do('take', { role }), koffi).toMatchObject({ code: 'BLOCK_CLAIMED' })
      }
    }
  })
})

describe('in another network namespace', () => {
  const APART = ['unshare', '--net']

  test('a role is held by its lock, and nobody is named', async (context) => {
    needs(context, namespaceProblem())
    await using first = own('with', APART)
    expect(await first.do('take')).toBe('taken')
    await using second = own('with')
    expect(await second.do('take')).toMatchObject({
      code: 'BLOCK_CLAIMED',
      holder: expect.stringContaining('another container'),
    })
    expect(await second.do('who')).toEqual({ holder: expect.stringContaining('another container') })
    await first.do('release')
    expect(await second.do('who')).toBe('nobody')
    expect(await second.do('take')).toBe('taken')
    expect(await first.do('take')).toMatchObject({ code: 'BLOCK_CLAIMED' })
  })

  test.for([
    ['with', 'without'],
    ['without', 'with'],
    ['without', 'without'],
  ] as const)('%s koffi and %s: nothing is seen, as documented', async ([one, other], context) => {
    needs(context, namespaceProblem())
    await using first = own(one, APART)
    expect(await first.do('take')).toBe('taken')
    await using second = own(other)
    expect(await second.do('take')).toBe('taken')
  })

  test('a user who may not write to the ring keeps no role of it', async (context) => {
    needs(context, userProblem() ?? namespaceProblem())
    chmodSync(ring, 0o644)
    const command = [...APART, 'setpriv', `--reuid=${NOBODY}`, '--clear-groups', process.execPath]
    const folder = copies.with
    await using reader = new Contender({
      name: 'reader',
      folder,
      ring,
      command,
      script: 'stranger.mjs',
    })
    expect(await reader.do('claimReadOnly')).toBe('claimed')
    await using first = own()
    expect(await first.do('take')).toBe('taken')
    expect(await first.do('notices')).toEqual([])
    await first.do('release')
    expect(await reader.do('lockForReading')).toBe(true)
    expect(await first.do('take')).toBe('taken')
    expect(await first.do('notices')).toMatchObject([{ event: 'obstructed' }])
  })
})

describe('a raw device with two nodes', () => {
  /** Makes a ring on a raw device, and another node of it. */
  async function twoNodes(loop: LoopDevice): Promise<string> {
    {
      await using device = await FileBlockDevice.open(loop.path)
      await Producer.create(device)
    }
    const { rdev } = statSync(loop.path, { bigint: true })
    const [major = '', minor = ''] = deviceId(rdev).split(':')
    const node = `${ring}-node`
    execFileSync('mknod', [node, 'b', major, minor])
    return node
  }

  test('has one holder of a role, by its number', async (context) => {
    needs(context, loopProblem())
    using loop = attachLoop(ring)
    const node = await twoNodes(loop)
    for (const [one, other] of [
      ['with', 'with'],
      ['with', 'without'],
      ['without', 'with'],
    ] as const) {
      ring = loop.path
      await using first = own(one)
      ring = node
      await using second = own(other)
      expect(await first.do('take')).toBe('taken')
      const refused = await second.do('take')
      expect(refused, `${one}, ${other}`).toMatchObject({ code: 'BLOCK_CLAIMED' })
      expect(await second.do('who')).toMatchObject({ pid: first.child.pid })
      await first.do('release')
      expect(await second.do('take'), `${one}, ${other}`).toBe('taken')
      expect(await first.do('take')).toMatchObject({ code: 'BLOCK_CLAIMED' })
    }
  })

  test('is given to the owner of the lock although a user who cannot read it occupies its name', async (context) => {
    needs(context, userProblem() ?? loopProblem())
    using loop = attachLoop(ring)
    await twoNodes(loop)
    ring = loop.path
    chmodSync(ring, 0o600)
    await using other = stranger()
    expect(await other.do('squat')).toBe('squatting')
    await using first = own()
    expect(await first.do('take')).toBe('taken')
    expect(await first.do('notices')).toMatchObject([{ event: 'stranger', uid: NOBODY }])
  })
})

function namespaceProblem(): string | undefined {
  try {
    execFileSync('unshare', ['--net', 'true'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'unshare --net (Debian package util-linux, run as root) does not work'
  }
}
