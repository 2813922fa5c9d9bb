import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import * as fs from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { claimAddress, type Spelling, spellingOf } from '../../../src/block/claim/address.ts'
import {
  acquireClaim,
  askHolder,
  type ClaimTarget,
  findHolder,
} from '../../../src/block/claim/claim.ts'
import { CLAIM_CHANNEL } from '../../../src/block/claim/events.ts'
import { isListening } from '../../../src/block/claim/listening.ts'
import { cannotWrite, isForeign } from '../../../src/block/claim/permission.ts'
import type { BlockClaim, ClaimOptions } from '../../../src/block/device.ts'
import { FileBlockDevice } from '../../../src/block/file/index.ts'
import { deferred } from '../../../src/util/deferred.ts'

let directory: string
let path: string
let device: FileBlockDevice
let sockets: (net.Socket | net.Server)[]
let events: unknown[]
const onEvent = (event: unknown): void => void events.push(event)

beforeEach(async () => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sbr-claim-'))
  path = join(directory, 'ring.img')
  device = await FileBlockDevice.create(path, { sizeBytes: 8192 })
  sockets = []
  events = []
  subscribe(CLAIM_CHANNEL, onEvent)
})

afterEach(async () => {
  unsubscribe(CLAIM_CHANNEL, onEvent)
  for (const socket of sockets) {
    if (socket instanceof net.Socket) socket.destroy()
    else await new Promise((resolve) => socket.close(resolve))
  }
  await device.disconnect()
  fs.rmSync(directory, { recursive: true })
})

function identityOf(file: string): string {
  const { dev, ino } = fs.statSync(file, { bigint: true })
  return `file-${dev.toString(16)}:${ino.toString(16)}`
}

function address(role: string): string {
  const [first = ''] = claimAddress(identityOf(path), role).paths
  return first
}

/** Listens where the role's holder would. */
async function impostor(at: string, serve: (socket: net.Socket) => void): Promise<void> {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined)
    sockets.unshift(socket)
    serve(socket)
  })
  sockets.push(server)
  await new Promise<void>((resolve) => server.listen({ path: at }, resolve))
}

/** The device as one sees it who cannot lock it, in a runtime that spells names in one way or both. */
function withoutLock(spelling: Spelling, options: Partial<ClaimTarget> = {}): ClaimTarget {
  return {
    device: path,
    identity: identityOf(path),
    file: undefined,
    bestEffort: false,
    spelling,
    ...options,
  }
}

/** Bun cannot listen at padded names. */
const SPELLINGS: readonly Spelling[] =
  spellingOf(process.versions) === 'plain' ? ['plain'] : ['plain', 'padded', 'both']

const mute = (): void => undefined
const talkative = (socket: net.Socket): void => void socket.write('HTTP/1.1 400 Bad Request\n')

describe('a process that occupies the name of a role', () => {
  test('holds the role, without a name, unless something shows otherwise', async () => {
    await impostor(address('producer'), mute)
    const refused = await device.claim('producer', { holder: 'me' }).catch((e: unknown) => e)
    expect(refused).toMatchObject({
      code: 'BLOCK_CLAIMED',
      details: { holder: expect.stringContaining(`process ${process.pid}`) },
    })
    expect(await device.ask('producer', 'who are you?')).toBe(undefined)
    expect(events).toEqual([])
  })

  test('is reported and passed over by the owner of the lock if it says what no holder says', async () => {
    await impostor(address('producer'), talkative)
    const claim = await device.claim('producer', { holder: 'me' })
    expect(events).toEqual([
      {
        event: 'stranger',
        device: path,
        role: 'producer',
        reason: 'it does not follow the protocol of a holder',
        pid: process.pid,
        uid: process.getuid?.(),
      },
    ])
    await using second = await FileBlockDevice.open(path)
    const refused = second.claim('producer', { holder: 'second' })
    await expect(refused).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
    await claim.release()
  })

  test('holds the role, whatever it says, for a program without a lock', async () => {
    await impostor(address('producer'), talkative)
    for (const spelling of SPELLINGS) {
      const claim = acquireClaim(withoutLock(spelling), 'producer', { holder: 'me' })
      await expect(claim).rejects.toMatchObject({
        code: 'BLOCK_CLAIMED',
        details: { holder: 'another process' },
      })
    }
    expect(events).toEqual([])
  })
})

test('a device that covers all of another one is claimed with it', async () => {
  const below = withoutLock(spellingOf(process.versions))
  const above = { ...below, identity: `${below.identity}-above`, aliases: [below.identity] }
  const beside = { ...above, identity: `${below.identity}-beside` }
  const all = [below, above, beside]
  for (const first of all) {
    const claim = await acquireClaim(first, 'producer', { holder: 'the first' })
    for (const second of all) {
      const refused = acquireClaim(second, 'producer', { holder: 'the second' })
      await expect(refused).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
      await expect(findHolder(second, 'producer', {})).resolves.toMatchObject({
        holder: 'the first',
      })
    }
    await claim.release()
    for (const other of all) expect(await findHolder(other, 'producer', {})).toBeUndefined()
  }
})

describe('runtimes that spell a name in different ways', () => {
  const spellings = ['plain', 'padded', 'both'] as const
  const pairs = spellings.flatMap((first) => spellings.map((second) => [first, second] as const))
  // Only who can spell both can stand for the others; the rest is in test/block/claim/runtimes.system.test.ts.
  const own = spellingOf(process.versions)
  const possible = own === 'both' ? pairs : ([[own, own]] as const)

  test.each(possible)('%s and then %s: the second is refused', async (first, second) => {
    const claim = await acquireClaim(withoutLock(first), 'producer', { holder: 'first' })
    const refused = acquireClaim(withoutLock(second), 'producer', { holder: 'second' })
    await expect(refused).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
    await claim.release()
    await (await acquireClaim(withoutLock(second), 'producer', { holder: 'second' })).release()
  })

  test('are known by their version', () => {
    expect(spellingOf({ node: '20.20.2' })).toBe('padded')
    expect(spellingOf({ node: '22.12.0' })).toBe('both')
    expect(spellingOf({ node: '26.0.0' })).toBe('both')
    expect(spellingOf({ node: '26.3.0', bun: '1.4.5' })).toBe('plain')
    expect(spellingOf({ node: '26.3.0', deno: '2.9.6' })).toBe('both')
  })

  test('names that cannot be listened at are found in the list of the kernel', async () => {
    const name = address('consumer')
    expect(await isListening(name)).toBe(false)
    await impostor(name, mute)
    // As this runtime spells it to the kernel.
    const spelled = spellingOf(process.versions) === 'padded' ? name.padEnd(108, '\0') : name
    expect(await isListening(spelled)).toBe(true)
    expect(await isListening(`${name}x`)).toBe(false)
    expect(await isListening(name, join(directory, 'no-list'))).toBe(undefined)
  })

  test('a socket that is bound or connected, and does not listen, holds no role', async () => {
    const list = join(directory, 'unix')
    fs.writeFileSync(
      list,
      'Num       RefCount Protocol Flags    Type St Inode Path\n' +
        '00000000963d0bcd: 00000003 00000000 00000000 0001 03 69959\n' +
        '000000000bbd9aaf: 00000003 00000000 00000000 0001 03 67142 @connected@@\n' +
        '00000000f30bce6a: 00000002 00000000 00010000 0001 01 698520 @listens here@@\n',
    )
    expect(await isListening('\0connected\0\0', list)).toBe(false)
    expect(await isListening('\0listens here\0\0', list)).toBe(true)
    expect(await isListening('\0listens here', list)).toBe(false)
  })
})

describe('a program that others pass over', () => {
  const file = { uid: 1000, gid: 100, mode: 0o100_640, hasAcl: false }
  const user = { pid: 1, uid: 1001, groups: [1001] as readonly number[] | undefined }

  test.each([
    ['another user', true, user, file],
    ['the owner', false, { ...user, uid: 1000 }, file],
    ['root', false, { ...user, uid: 0 }, file],
    ['one in the group, which may only read', true, { ...user, groups: [100] }, file],
    ['one in the group', false, { ...user, groups: [7, 100] }, { ...file, mode: 0o660 }],
    ['one not in the group', true, user, { ...file, mode: 0o660 }],
    ['one of unknown groups', false, { ...user, groups: undefined }, { ...file, mode: 0o660 }],
    ['anybody, where all may write', false, user, { ...file, mode: 0o666 }],
    ['anybody, where all may read', true, user, { ...file, mode: 0o644 }],
    ['anybody, where a list decides', false, user, { ...file, hasAcl: true }],
  ] as const)('%s cannot write: %s', (_who, expected, peer, access) => {
    expect(cannotWrite(peer, access)).toBe(expected)
  })

  test('a user without a number in this namespace counts as any user', () => {
    expect(isForeign(1000, () => '0 100000 65536')).toBe(false)
    expect(isForeign(65_534, () => '         0          0 4294967295\n')).toBe(false)
    expect(isForeign(65_534, () => '         0     100000      65536\n')).toBe(true)
    const unreadable = (): string => {
      throw new Error('no /proc')
    }
    expect(isForeign(65_534, unreadable)).toBe(true)
  })
})

describe('without a lock', () => {
  test('a role is given only if all names can be listed, or the caller takes care of that', async () => {
    // Without the kernel's list, as where there is no /proc: it is looked for in a folder that has none.
    const target = withoutLock('plain', { names: join(directory, 'no-list') })
    const refused = acquireClaim(target, 'producer', { holder: 'me' })
    await expect(refused).rejects.toMatchObject({
      code: 'BLOCK_UNSUPPORTED',
      message: expect.stringContaining("claims: 'best-effort'"),
    })
    const file = { fd: fs.openSync(path, 'r+'), raw: false, writable: true, native: undefined }
    try {
      const told = acquireClaim({ ...target, file }, 'producer', { holder: 'me' })
      await expect(told).rejects.toThrow('npm install koffi')
    } finally {
      fs.closeSync(file.fd)
    }
    const claim = await acquireClaim({ ...target, bestEffort: true }, 'producer', { holder: 'me' })
    await claim.release()
  })
})

test('release cuts off whoever is talking to the holder, and does not wait for it', async () => {
  const asked = deferred<void>()
  const answer = deferred<string>()
  const onRequest = (): Promise<string> => {
    asked.resolve()
    return answer.promise
  }
  const claim = await device.claim('producer', { holder: 'me', onRequest })
  const asking = device.ask('producer', 'hello')
  await asked.promise
  const released = claim.release()
  answer.resolve('too late')
  expect(await asking).toBeUndefined()
  await released
})

describe('addresses', () => {
  test('fit the kernel, and differ for each device and role', () => {
    const key = `file-${'f'.repeat(16)}:${'f'.repeat(16)}`
    const role = `${'r'.repeat(32)}@${'9'.repeat(16)}`
    const seen = new Set<string>()
    for (const platform of ['linux', 'win32', 'darwin'] as const) {
      for (const [k, r] of [
        [key, role],
        [key, role.replace('@9', '@8')],
        [key.replace('f:', 'e:'), role],
        ['file-1:2', 'producer'],
      ] as const) {
        for (const found of claimAddress(k, r, platform, 'plain').paths) {
          expect(Buffer.byteLength(found)).toBeLessThan(104)
          seen.add(found)
        }
      }
    }
    expect(seen.size).toBe(12)
    const plain = '\0shared-block-ring/file-1:2/producer'
    const padded = plain.padEnd(108, '\0')
    const spelt = (spelling: Spelling): unknown =>
      claimAddress('file-1:2', 'producer', 'linux', spelling)
    expect(spelt('both')).toMatchObject({ paths: [plain, padded], unspellable: [] })
    expect(spelt('plain')).toMatchObject({ paths: [plain], unspellable: [padded] })
    expect(spelt('padded')).toMatchObject({ paths: [padded], unspellable: [plain] })
    expect(claimAddress('file-1:2', 'producer', 'win32').paths).toEqual([
      '\\\\.\\pipe\\shared-block-ring-file-1-2-producer',
    ])
  })

  test('a socket that is a file is replaced if its process is dead, and left alone if it is alive', async () => {
    const target: ClaimTarget = {
      device: 'ring',
      identity: `test-${process.pid}`,
      file: undefined,
      bestEffort: false,
      platform: 'darwin',
    }
    const [socketPath = ''] = claimAddress(target.identity, 'producer', 'darwin').paths
    const claim = (options: ClaimOptions): Promise<BlockClaim> =>
      acquireClaim(target, 'producer', options)
    try {
      const first = await claim({ holder: 'first', onRequest: async (request) => `${request}!` })
      expect(await askHolder(target, 'producer', 'hello', {})).toBe('hello!')
      await expect(claim({ holder: 'second' })).rejects.toMatchObject({
        details: { holder: 'first' },
      })
      // What a process leaves behind that is killed: the name, with nobody listening.
      fs.linkSync(socketPath, `${socketPath}.kept`)
      await first.release()
      fs.renameSync(`${socketPath}.kept`, socketPath)
      expect(await askHolder(target, 'producer', 'hello', {})).toBe(undefined)
      const third = await claim({ holder: 'third' })
      await third.release()
      expect(fs.existsSync(socketPath)).toBe(false)
    } finally {
      fs.rmSync(socketPath, { force: true })
      fs.rmSync(`${socketPath}.kept`, { force: true })
    }
  })
})
