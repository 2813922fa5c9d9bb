import { mkdirSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { listNbdExports } from '../../../src/block/nbd/index.ts'
import { startForwarder } from './forwarder.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

test('exports are listed, and each is a device of its own', async (context) => {
  const folder = scene.file('exports')
  mkdirSync(folder)
  writeFileSync(`${folder}/first`, new Uint8Array(1 << 16).fill(1))
  writeFileSync(`${folder}/second one`, new Uint8Array(1000).fill(2))
  const server = await scene.nbdkit(context, 'file', `dir=${folder}`)
  const names = (await listNbdExports(server.uri())).map(({ name }) => name)
  expect(names.sort()).toEqual(['first', 'second one'])
  const second = await scene.connect(server.uri('second%20one'))
  expect(await second.getInfo()).toMatchObject({
    sectorSize: 512,
    sizeSectors: 1,
    unusedBytes: 488,
  })
  await expect(scene.connect(server.uri('third'))).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
})

test('an export can be connected exclusively', async (context) => {
  const server = await scene.nbdkit(context, 'memory', '1M')
  const first = await scene.connect(server, { exclusive: true })
  await scene.connect(server)
  await expect(scene.connect(server, { exclusive: true })).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
  })
  await first.disconnect()
  await scene.connect(server, { exclusive: true })
})

test('an export is reached over TCP, by a name or an address', async (context) => {
  const server = await scene.nbdkit(context, 'memory', '1M')
  const { port } = scene.keep(await startForwarder(server.socket))
  const device = await scene.connect(`nbd://localhost:${port}`)
  await device.write(1, bytes(512, 4), { durable: true })
  const other = await scene.connect(`nbd://127.0.0.1:${port}/`)
  const found = new Uint8Array(512)
  await other.read(1, [found])
  expect(found[0]).toBe(4)
})

test('a read-only export of nbd-server is a read-only device', async (context) => {
  const file = scene.file('disk')
  writeFileSync(file, new Uint8Array(1 << 16).fill(5))
  const server = await scene.nbdServer(context, file, ['readonly = true'])
  const device = await scene.connect(server, {}, 'exp')
  expect((await device.getInfo()).readWrite).toBe(false)
  await device.read(0, bytes(1 << 16))
})
