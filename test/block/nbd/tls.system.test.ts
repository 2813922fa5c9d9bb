import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest'
import { listNbdExports } from '../../../src/block/nbd/index.ts'
import {
  type Certificates,
  certificatesProblem,
  makeCertificates,
} from '../../helpers/certificates.ts'
import { needs } from '../../helpers/interop.ts'
import { type NbdServer, startNbdkit } from '../../helpers/nbd-servers.ts'
import { expectEncrypted, expectOnlyTheWish, startForwarder } from './forwarder.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()
const problem = certificatesProblem()
let certificates: Certificates | undefined

beforeAll(() => {
  if (problem === undefined) certificates = makeCertificates()
})
afterAll(() => certificates?.[Symbol.dispose]())

/** The folder of the certificates that the tests of this file share. */
function pki(context: TestContext): string {
  needs(context, problem)
  return certificates?.folder ?? ''
}

const SECURE = 'nbds+unix'
const OPEN = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_OPEN' })

/** Starts a server of 4 MiB that demands TLS; with `mutual`, certificates of its clients, too. */
type Serve = (context: TestContext, mutual: boolean) => Promise<NbdServer>

function disk(): string {
  writeFileSync(scene.file('disk'), new Uint8Array(4 << 20))
  return scene.file('disk')
}

const nbdkit: Serve = (context, mutual) =>
  scene.nbdkit(
    context,
    '--tls=require',
    `--tls-certificates=${pki(context)}`,
    ...(mutual ? ['--tls-verify-peer'] : []),
    'memory',
    '4M',
  )

const qemu: Serve = (context, mutual) => {
  const verify = `verify-peer=${mutual ? 'on' : 'off'}`
  const credentials = `tls-creds-x509,id=tls,endpoint=server,dir=${pki(context)},${verify}`
  const secure = ['--object', credentials, '--tls-creds', 'tls']
  return scene.qemu(context, ...secure, '-f', 'raw', disk())
}

/** It always demands certificates of its clients. */
const nbdServer: Serve = (context) => {
  const folder = pki(context)
  return scene.nbdServer(context, disk(), undefined, [
    `cacertfile = ${join(folder, 'ca-cert.pem')}`,
    `certfile = ${join(folder, 'server-cert.pem')}`,
    `keyfile = ${join(folder, 'server-key.pem')}`,
    'force_tls = true',
  ])
}

describe.each([
  ['nbdkit', nbdkit, ''],
  ['qemu-nbd', qemu, 'exp'],
  ['nbd-server', nbdServer, 'exp'],
] as const)('%s', (_, serve, name) => {
  test('both sides show a certificate', async (context) => {
    const server = await serve(context, true)
    const uri = `${server.uri(name, SECURE)}&tls-certificates=${pki(context)}`
    const device = await scene.connect(uri)
    await device.write(1, bytes(1 << 20, 5), { durable: true })
    const found = new Uint8Array(1 << 20)
    await device.read(1, [found])
    expect(found.every((byte) => byte === 5)).toBe(true)
    await device.disconnect()
    expect(await listNbdExports(uri)).toHaveLength(1)
  })

  test('a client without a certificate is refused', async (context) => {
    const uri = (await serve(context, true)).uri(name, SECURE)
    const ca = readFileSync(join(pki(context), 'ca-cert.pem'))
    await expect(scene.connect(uri, { tls: { ca } })).rejects.toEqual(OPEN)
  })

  test('an untrusted server is refused, and nothing is sent in the clear instead', async (context) => {
    const server = await serve(context, true)
    await expect(scene.connect(server.uri(name, SECURE))).rejects.toThrow(/TLS failed/)
    const network = scene.keep(await startForwarder(server.socket))
    await expect(scene.connect(`nbds://localhost:${network.port}/${name}`)).rejects.toThrow(
      /TLS failed/,
    )
    expect(network.sent()).toHaveLength(1)
    for (const sent of network.sent()) expectEncrypted(sent, 0)
  })

  test('another name than the certificate’s is refused', async (context) => {
    const uri = (await serve(context, true)).uri(name, SECURE)
    const trusted = `&tls-certificates=${pki(context)}`
    await expect(scene.connect(`${uri}${trusted}&tls-hostname=elsewhere`)).rejects.toEqual(OPEN)
    await scene.connect(`${uri}${trusted}&tls-hostname=127.0.0.1`)
  })

  test.for(['localhost', '127.0.0.1'])(
    'nothing is sent in the clear over TCP to %s except the request for TLS',
    async (host, context) => {
      const server = await serve(context, true)
      const network = scene.keep(await startForwarder(server.socket))
      const uri = `nbds://${host}:${network.port}/${name}?tls-certificates=${pki(context)}`
      const device = await scene.connect(uri)
      await device.write(0, bytes(4096, 7), { durable: true })
      await device.disconnect()
      expect(network.sent()).toHaveLength(1)
      for (const sent of network.sent()) expectEncrypted(sent)
    },
  )

  test('a client without TLS is told to use it', async (context) => {
    const server = await serve(context, false)
    await expect(scene.connect(server.uri(name))).rejects.toThrow(/it demands TLS: use nbds/)
    await expect(listNbdExports(server.uri(name))).rejects.toThrow(/it demands TLS: use nbds/)
  })
})

describe.each([
  ['nbdkit', nbdkit, ''],
  ['qemu-nbd', qemu, 'exp'],
] as const)('%s that asks for no certificate', (_, serve, name) => {
  test('a trusted authority is enough', async (context) => {
    const uri = (await serve(context, false)).uri(name, SECURE)
    const ca = readFileSync(join(pki(context), 'ca-cert.pem'))
    const device = await scene.connect(uri, { tls: { ca } })
    await device.read(0, bytes(512))
    expect(await listNbdExports(uri, { tls: { ca } })).toHaveLength(1)
  })

  test('any certificate will do if checking is off', async (context) => {
    const uri = (await serve(context, false)).uri(name, SECURE)
    const device = await scene.connect(`${uri}&tls-verify-peer=false`)
    await device.read(0, bytes(512))
  })
})

describe('a server that has no TLS', () => {
  const plain: readonly (readonly [
    string,
    (context: TestContext) => Promise<NbdServer>,
    string,
  ])[] = [
    ['nbdkit', (context) => scene.nbdkit(context, 'memory', '1M'), ''],
    ['qemu-nbd', (context) => scene.qemu(context, '-f', 'raw', disk()), 'exp'],
    ['nbd-server', (context) => scene.nbdServer(context, disk()), 'exp'],
  ]

  test.for(plain)('%s', async ([, serve, name], context) => {
    const server = await serve(context)
    await expect(scene.connect(server.uri(name, SECURE))).rejects.toThrow(/the server refuses TLS/)
    const network = scene.keep(await startForwarder(server.socket))
    const uri = `nbds://localhost:${network.port}/${name}`
    await expect(scene.connect(uri)).rejects.toEqual(OPEN)
    await expect(listNbdExports(uri)).rejects.toEqual(OPEN)
    expect(network.sent()).toHaveLength(2)
    for (const sent of network.sent()) expectOnlyTheWish(sent)
  })
})

test('a connection that is made again is encrypted again, and never less than before', async (context) => {
  const server = await nbdkit(context, true)
  const network = scene.keep(await startForwarder(server.socket))
  const uri = `nbds://localhost:${network.port}/?tls-certificates=${pki(context)}`
  const device = await scene.connect(uri, { requestTimeoutMs: 4000 })
  await server.kill()
  const again = await nbdkit(context, true)
  await device.read(0, bytes(512))
  const encrypted = network.sent()
  expect(encrypted.length).toBeGreaterThan(1)
  await again.kill()
  scene.keep(await startNbdkit(scene.folder, ['memory', '4M']))
  const late = { code: 'BLOCK_TIMEOUT', message: expect.stringContaining('refuses TLS') }
  await expect(device.read(0, bytes(512))).rejects.toMatchObject(late)
  // Once the loss is known, a write is not sent at all; before that, nobody would know its fate.
  await expect(device.write(0, bytes(512, 7))).rejects.toMatchObject(late)
  const clear = network.sent().slice(encrypted.length)
  expect(clear.length).toBeGreaterThan(0)
  for (const sent of clear) expectOnlyTheWish(sent)
})

test('a folder without certificates is reported', async (context) => {
  const server = await scene.nbdkit(context, 'memory', '1M')
  const uri = `${server.uri('', SECURE)}&tls-certificates=${scene.folder}`
  await expect(scene.connect(uri)).rejects.toThrow(/ca-cert.pem: no such file or directory/)
})
