import { writeFileSync } from 'node:fs'
import { describe, expect, type TestContext, test } from 'vitest'
import { listNbdExports } from '../../../src/block/nbd/index.ts'
import { sbr } from '../../cli/cli.ts'
import type { NbdServer } from '../../helpers/nbd-servers.ts'
import { expectEncrypted, startForwarder } from './forwarder.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

const SECURE = 'nbds+unix'
const OPEN = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_OPEN' })
const key = Buffer.alloc(32, 0x5e)

/** A file with the keys of bob and alice. */
function keys(): string {
  // This name is the one that qemu looks for.
  const file = scene.file('keys.psk')
  writeFileSync(file, `bob:00\nalice:${key.toString('hex')}\n`)
  return file
}

/** Starts a server of 4 MiB that demands a key of its clients. */
type Serve = (context: TestContext, psk: string) => Promise<NbdServer>

const nbdkit: Serve = (context, psk) =>
  scene.nbdkit(context, '--tls=require', `--tls-psk=${psk}`, 'memory', '4M')

const qemu: Serve = (context) => {
  writeFileSync(scene.file('disk'), new Uint8Array(4 << 20))
  const credentials = `tls-creds-psk,id=tls,endpoint=server,dir=${scene.folder}`
  const secure = ['--object', credentials, '--tls-creds', 'tls']
  return scene.qemu(context, ...secure, '-f', 'raw', scene.file('disk'))
}

describe.each([
  ['nbdkit', nbdkit, ''],
  ['qemu-nbd', qemu, 'exp'],
] as const)('%s, and a key that both sides know', (_, serve, name) => {
  test('connect, with the key from a file or the program', async (context) => {
    const psk = keys()
    const uri = (await serve(context, psk)).uri(name, SECURE)
    const device = await scene.connect(`${uri}&tls-psk-file=${psk}&tls-username=alice`)
    await device.write(1, bytes(1 << 20, 5), { durable: true })
    const found = new Uint8Array(1 << 20)
    await device.read(1, [found])
    expect(found.every((byte) => byte === 5)).toBe(true)
    const given = { tls: { psk: { username: 'alice', key } } }
    await (await scene.connect(uri, given)).read(0, bytes(512))
    expect(await listNbdExports(uri, given)).toEqual([{ name, description: '' }])
  })

  test('send nothing in the clear over TCP except the request for TLS', async (context) => {
    const psk = keys()
    const server = await serve(context, psk)
    const network = scene.keep(await startForwarder(server.socket))
    const uri = `nbds://alice@localhost:${network.port}/${name}?tls-psk-file=${psk}`
    const device = await scene.connect(uri)
    await device.write(0, bytes(4096, 7), { durable: true })
    await device.disconnect()
    const [sent] = network.sent()
    expectEncrypted(sent ?? Buffer.alloc(0))
  })

  test('refuse a client without the right key', async (context) => {
    const server = await serve(context, keys())
    const uri = server.uri(name, SECURE)
    const wrong = { username: 'alice', key: Buffer.alloc(32, 1) }
    await expect(scene.connect(uri, { tls: { psk: wrong } })).rejects.toEqual(OPEN)
    await expect(scene.connect(uri, { tls: { psk: { username: 'carol', key } } })).rejects.toEqual(
      OPEN,
    )
    // Nor without any: a certificate is not what this server has.
    await expect(scene.connect(`${uri}&tls-verify-peer=false`)).rejects.toEqual(OPEN)
    await expect(scene.connect(server.uri(name))).rejects.toThrow(/it demands TLS: use nbds/)
  })
})

test('a missing key is reported as such', async (context) => {
  const psk = keys()
  const uri = (await nbdkit(context, psk)).uri('', SECURE)
  await expect(scene.connect(`${uri}&tls-psk-file=${psk}&tls-username=carol`)).rejects.toThrow(
    /has no hexadecimal key of 'carol'/,
  )
  await expect(scene.connect(`${uri}&tls-type=psk`)).rejects.toThrow(/needs a key/)
})

test('nbdkit, which would serve anybody in the clear, serves clients with the key', async (context) => {
  const psk = keys()
  const server = await scene.nbdkit(
    context,
    '--tls=on',
    `--tls-psk=${psk}`,
    '--filter=tls-fallback',
    'memory',
    '4M',
  )
  const uri = server.uri('', SECURE)
  const device = await scene.connect(`${uri}&tls-psk-file=${psk}&tls-username=alice`)
  expect(await device.getInfo()).toMatchObject({ readWrite: true, sizeSectors: 8192 })
  const clear = await scene.connect(server)
  expect(await clear.getInfo()).toMatchObject({ readWrite: false, sizeSectors: 1 })
  const wrong = { username: 'alice', key: Buffer.alloc(32, 1) }
  await expect(scene.connect(uri, { tls: { psk: wrong } })).rejects.toEqual(OPEN)
})

test('the command line opens a device with TLS', async (context) => {
  const psk = keys()
  const server = await nbdkit(context, psk)
  const network = scene.keep(await startForwarder(server.socket))
  const uri = `nbds://alice@localhost:${network.port}/?tls-psk-file=${psk}`
  expect(await sbr(['create', uri])).toMatchObject({ code: 0, stderr: '' })
  const produced = await sbr(['produce', uri], 'one\ntwo\n')
  expect(produced).toMatchObject({ code: 0, stderr: '' })
  expect((await sbr(['consume', uri, '--drain'])).stdout.toString()).toBe('one\ntwo\n')
  expect(network.sent()).not.toHaveLength(0)
  for (const sent of network.sent()) expectEncrypted(sent)
})
