import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listNbdExports } from '../../../src/block/nbd.ts'
import { type Certificates, makeCertificates } from '../../helpers/certificates.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()
let certificates: Certificates

beforeAll(() => {
  certificates = makeCertificates()
})
afterAll(() => certificates[Symbol.dispose]())

const SECURE = 'nbds+unix'

/** What every test does with a connection that has to work. */
async function use(uri: string, options: Parameters<typeof scene.connect>[1] = {}): Promise<void> {
  const device = await scene.connect(uri, options)
  await device.write(1, bytes(1 << 20, 5), { durable: true })
  const found = new Uint8Array(1 << 20)
  await device.read(1, [found])
  expect(found.every((byte) => byte === 5)).toBe(true)
  await device.disconnect()
}

const OPEN = expect.objectContaining({ name: 'BlockError', code: 'BLOCK_OPEN' })

describe.each(['nbdkit', 'qemu'] as const)('%s', (program) => {
  /** A server that demands TLS; with `mutual`, certificates of its clients, too. */
  async function serve(
    context: Parameters<typeof scene.nbdkit>[0],
    mutual: boolean,
  ): Promise<(parameters: string, scheme?: string) => string> {
    const name = program === 'qemu' ? 'exp' : ''
    const server =
      program === 'nbdkit'
        ? await scene.nbdkit(
            context,
            '--tls=require',
            `--tls-certificates=${certificates.folder}`,
            ...(mutual ? ['--tls-verify-peer'] : []),
            'memory',
            '4M',
          )
        : await scene.qemu(
            context,
            '--object',
            `tls-creds-x509,id=tls,endpoint=server,dir=${certificates.folder},verify-peer=${mutual ? 'on' : 'off'}`,
            '--tls-creds',
            'tls',
            '--image-opts',
            'driver=null-co,size=4194304,read-zeroes=on',
          )
    return (parameters, scheme = SECURE) => `${server.uri(name, scheme)}${parameters}`
  }

  test('a certificate of an authority that is trusted', async (context) => {
    const uri = await serve(context, false)
    const ca = readFileSync(join(certificates.folder, 'ca-cert.pem'))
    const device = await scene.connect(uri(''), { tls: { ca } })
    await device.read(0, bytes(512))
    expect(await listNbdExports(uri(''), { tls: { ca } })).toHaveLength(1)
  })

  test('nobody is trusted who is not', async (context) => {
    const uri = await serve(context, false)
    await expect(scene.connect(uri(''))).rejects.toThrow(/TLS failed/)
    await scene.connect(uri('&tls-verify-peer=false'))
  })

  test('another name than the certificate’s is refused', async (context) => {
    const uri = await serve(context, false)
    const trusted = `&tls-certificates=${certificates.folder}`
    await expect(scene.connect(uri(`${trusted}&tls-hostname=elsewhere`))).rejects.toEqual(OPEN)
    await scene.connect(uri(`${trusted}&tls-hostname=127.0.0.1`))
  })

  test('both sides show a certificate', async (context) => {
    const uri = await serve(context, true)
    const device = await scene.connect(uri(`&tls-certificates=${certificates.folder}`))
    await device.read(0, bytes(512))
    const ca = readFileSync(join(certificates.folder, 'ca-cert.pem'))
    await expect(scene.connect(uri(''), { tls: { ca } })).rejects.toEqual(OPEN)
  })

  test('a client without TLS is told', async (context) => {
    const uri = await serve(context, false)
    await expect(scene.connect(uri('', 'nbd+unix'))).rejects.toThrow(/it demands TLS: use nbds/)
  })
})

test('large transfers over TLS', async (context) => {
  const folder = certificates.folder
  const server = await scene.nbdkit(
    context,
    '--tls=require',
    `--tls-certificates=${folder}`,
    'memory',
    '4M',
  )
  await use(`${server.uri('', SECURE)}&tls-certificates=${folder}`)
})

test('a server that has no TLS', async (context) => {
  const server = await scene.nbdkit(context, 'memory', '1M')
  await expect(scene.connect(server.uri('', SECURE))).rejects.toThrow(/the server refuses TLS/)
})

test('a key that both sides know', async (context) => {
  const psk = scene.file('keys.psk')
  const key = Buffer.alloc(32, 0x5e)
  writeFileSync(psk, `bob:00\nalice:${key.toString('hex')}\n`)
  const server = await scene.nbdkit(context, '--tls=require', `--tls-psk=${psk}`, 'memory', '4M')
  const uri = server.uri('', SECURE)
  await use(`${uri}&tls-psk-file=${psk}&tls-username=alice`)
  await use(uri, { tls: { psk: { username: 'alice', key } } })
  const wrong = Buffer.alloc(32, 1)
  await expect(
    scene.connect(uri, { tls: { psk: { username: 'alice', key: wrong } } }),
  ).rejects.toEqual(OPEN)
  await expect(scene.connect(`${uri}&tls-psk-file=${psk}&tls-username=carol`)).rejects.toThrow(
    /has no hexadecimal key of 'carol'/,
  )
  await expect(scene.connect(`${uri}&tls-type=psk`)).rejects.toThrow(/needs a key/)
})

test('a folder without certificates', async (context) => {
  const server = await scene.nbdkit(context, 'memory', '1M')
  const uri = `${server.uri('', SECURE)}&tls-certificates=${scene.folder}`
  await expect(scene.connect(uri)).rejects.toThrow(/ca-cert.pem: no such file or directory/)
})
