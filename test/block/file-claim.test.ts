import * as fs from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlockClaim, ClaimOptions } from '../../src/block/device.ts'
import { acquireClaim, askHolder, type ClaimTarget } from '../../src/block/file/claim.ts'
import { claimAddress } from '../../src/block/file/claim-address.ts'
import { FileBlockDevice } from '../../src/block/file.ts'

let directory: string
let path: string
let device: FileBlockDevice
let sockets: (net.Socket | net.Server)[]

beforeEach(async () => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sbr-claim-'))
  path = join(directory, 'ring.img')
  device = await FileBlockDevice.create(path, { sizeBytes: 8192 })
  sockets = []
})

afterEach(async () => {
  for (const socket of sockets) {
    if (socket instanceof net.Socket) socket.destroy()
    else await new Promise((resolve) => socket.close(resolve))
  }
  await device.disconnect()
  fs.rmSync(directory, { recursive: true })
})

function keyOf(file: string): string {
  const { dev, ino } = fs.statSync(file, { bigint: true })
  return `file-${dev.toString(16)}:${ino.toString(16)}`
}

const address = (role: string): string => claimAddress(keyOf(path), role).path

/** Listens where the role's holder would. */
async function impostor(role: string, serve: (socket: net.Socket) => void): Promise<void> {
  const server = net.createServer((socket) => {
    socket.on('error', () => undefined)
    sockets.unshift(socket)
    serve(socket)
  })
  sockets.push(server)
  await new Promise<void>((resolve) => server.listen({ path: address(role) }, resolve))
}

describe('what others may do at the socket', () => {
  const impostors: [string, (socket: net.Socket) => void][] = [
    ['says nothing', () => undefined],
    ['hangs up', (socket) => socket.destroy()],
    ['sends what is no JSON', (socket) => socket.write('{"holder":\n')],
    ['sends JSON of another shape', (socket) => socket.write('[1,2]\n')],
    ['sends fields of other types', (socket) => socket.write('{"holder":1,"pid":"x"}\n')],
    ['sends bytes that are no text', (socket) => socket.write(Buffer.alloc(4000, 0xff))],
    ['sends without end', (socket) => flood(socket)],
  ]

  function flood(socket: net.Socket): void {
    const chunk = Buffer.alloc(1 << 16, 'x')
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
      if (!socket.destroyed) socket.once('drain', more)
    }
    more()
  }

  for (const [what, serve] of impostors) {
    test(`one that ${what} holds the role, namelessly and not for long`, async () => {
      await impostor('producer', serve)
      const start = performance.now()
      const refused = device.claim('producer', { holder: 'me' })
      await expect(refused).rejects.toMatchObject({
        code: 'BLOCK_CLAIMED',
        details: { holder: 'another process' },
      })
      expect(await device.ask('producer', 'who are you?')).toBe(undefined)
      expect(performance.now() - start).toBeLessThan(2500)
    })
  }

  test('control characters and long texts of a holder do not reach the message', async () => {
    const greeting = {
      holder: `\u001b[31mred\u202e${'x'.repeat(999)}`,
      pid: 1,
      host: 'h\n',
      since: '',
    }
    await impostor('producer', (socket) => socket.write(`${JSON.stringify(greeting)}\n`))
    const refused = await device.claim('producer', { holder: 'me' }).catch((e: unknown) => e)
    expect(String(refused)).toContain('[31mred')
    expect(String(refused)).not.toMatch(/\p{C}/u)
    expect(String(refused).length).toBeLessThan(600)
  })

  test('a holder outlives callers that misbehave', async () => {
    const heard: string[] = []
    await device.claim('producer', {
      holder: 'patient',
      onRequest: async (request) => {
        heard.push(request)
        if (request === 'fail') throw new Error('no')
        return request === 'long' ? 'x'.repeat(5000) : 'fine'
      },
    })
    const call = (): net.Socket => {
      const socket = net.connect({ path: address('producer') })
      socket.on('error', () => undefined)
      sockets.push(socket)
      return socket
    }
    const ended = (socket: net.Socket): Promise<void> =>
      new Promise((resolve) => socket.resume().once('close', () => resolve()))
    const long = call()
    long.write(`${'x'.repeat(1025)}\n`)
    const endless = call()
    flood(endless)
    const twice = call()
    twice.write('one\ntwo\n')
    const start = performance.now()
    await Promise.all([long, endless, twice].map(ended))
    expect(performance.now() - start).toBeLessThan(600)
    expect(heard).toEqual(['one'])
    expect(await device.ask('producer', 'fail')).toBe(undefined)
    expect(await device.ask('producer', 'long')).toBe(undefined)
    expect(await device.ask('producer', 'y'.repeat(1024))).toBe('fine')
    // More than it takes at a time, none of which says anything: within a second it is free again.
    const silent = Array.from({ length: 20 }, call)
    let turnedAway = 0
    for (const socket of silent) void ended(socket).then(() => turnedAway++)
    await expect.poll(() => turnedAway, { timeout: 600, interval: 20 }).toBe(12)
    expect(await device.ask('producer', 'and now?')).toBe(undefined)
    await expect.poll(() => turnedAway, { timeout: 2000 }).toBe(20)
    expect(await device.ask('producer', 'and now?')).toBe('fine')
  })
})

test('release does not wait for those who listen', async () => {
  const claim = await device.claim('producer', { holder: 'me' })
  const socket = net.connect({ path: address('producer') })
  sockets.push(socket)
  await new Promise((resolve) => socket.once('data', resolve))
  const start = performance.now()
  await claim.release()
  expect(performance.now() - start).toBeLessThan(600)
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
        const found = claimAddress(k, r, platform).path
        expect(Buffer.byteLength(found)).toBeLessThan(104)
        seen.add(found)
      }
    }
    expect(seen.size).toBe(12)
    expect(claimAddress('file-1:2', 'producer', 'linux').path).toBe(
      '\0shared-block-ring/file-1:2/producer',
    )
    expect(claimAddress('file-1:2', 'producer', 'win32').path).toBe(
      '\\\\.\\pipe\\shared-block-ring-file-1-2-producer',
    )
  })

  test('where a socket is a file, that of a dead process is replaced, and of a live one not', async () => {
    const target: ClaimTarget = {
      device: 'ring',
      key: `test-${process.pid}`,
      fd: -1,
      writable: false,
      native: undefined,
      platform: 'darwin',
    }
    const { path: socketPath } = claimAddress(target.key, 'producer', 'darwin')
    const claim = (options: ClaimOptions): Promise<BlockClaim> =>
      acquireClaim(target, 'producer', options)
    try {
      const first = await claim({ holder: 'first', onRequest: async (request) => `${request}!` })
      expect(await askHolder(target, 'producer', 'hello')).toBe('hello!')
      await expect(claim({ holder: 'second' })).rejects.toMatchObject({
        details: { holder: 'first' },
      })
      // What a process leaves behind that is killed: the name, with nobody listening.
      fs.linkSync(socketPath, `${socketPath}.kept`)
      await first.release()
      fs.renameSync(`${socketPath}.kept`, socketPath)
      expect(await askHolder(target, 'producer', 'hello')).toBe(undefined)
      const third = await claim({ holder: 'third' })
      await third.release()
      expect(fs.existsSync(socketPath)).toBe(false)
    } finally {
      fs.rmSync(socketPath, { force: true })
      fs.rmSync(`${socketPath}.kept`, { force: true })
    }
  })
})
