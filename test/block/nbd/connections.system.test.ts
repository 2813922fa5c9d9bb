import { readFileSync } from 'node:fs'
import { expect, type TestContext, test } from 'vitest'
import type { NbdBlockDevice } from '../../../src/block/nbd/index.ts'
import type { NbdServer } from '../../helpers/nbd-servers.ts'
import { bytes, useScene } from './scene.ts'

const scene = useScene()

/** Longer than a busy machine takes. */
const PATIENT = { timeout: 30_000 }

/** Writes many sectors at a time, and checks that they are there. */
async function writeMany(device: NbdBlockDevice, value: number): Promise<void> {
  const sectors = Array.from({ length: 64 }, (_, sector) => sector)
  await Promise.all(sectors.map((sector) => device.write(sector, bytes(512, value))))
  await device.flush()
  const found = new Uint8Array(64 * 512)
  await device.read(0, [found])
  expect(found.every((byte) => byte === value)).toBe(true)
}

/** A server of 1 MiB that logs what comes over which connection. */
async function logging(
  context: TestContext,
  filters: readonly string[],
  parameters: readonly string[] = [],
): Promise<{ server: NbdServer; writers(): Set<string | undefined> }> {
  const log = scene.file('log')
  const flags = ['log', ...filters].map((name) => `--filter=${name}`)
  const server = await scene.nbdkit(
    context,
    ...flags,
    'memory',
    '1M',
    `logfile=${log}`,
    ...parameters,
  )
  const writers = (): Set<string | undefined> => {
    const lines = readFileSync(log, 'utf8').matchAll(/ connection=(\d+) Write /g)
    return new Set([...lines].map(([, connection]) => connection))
  }
  return { server, writers }
}

test('several connections to nbdkit', async (context) => {
  const { server, writers } = await logging(context, [])
  const device = await scene.connect(server, { connections: 4 })
  await expect
    .poll(async () => {
      await writeMany(device, 1)
      return writers().size
    }, PATIENT)
    .toBe(4)
})

test('one connection to nbdkit that allows no more', async (context) => {
  const { server, writers } = await logging(context, ['multi-conn'], ['multi-conn-mode=disable'])
  const device = await scene.connect(server, { connections: 4 })
  for (let value = 1; value < 4; value++) await writeMany(device, value)
  expect(writers().size).toBe(1)
})

test('several connections to qemu-nbd that takes two', async (context) => {
  const server = await scene.qemu(
    context,
    '--shared=2',
    '--image-opts',
    'driver=null-co,size=1048576,read-zeroes=on',
  )
  const device = await scene.connect(server, { connections: 4, requestTimeoutMs: 5000 }, 'exp')
  for (let i = 0; i < 4; i++) await writeMany(device, 0)
})

test('a server that lets in fewer than it says is used with those', async (context) => {
  const { server, writers } = await logging(context, ['limit'], ['limit=2'])
  const device = await scene.connect(server, { connections: 4, requestTimeoutMs: 5000 })
  await expect
    .poll(async () => {
      await writeMany(device, 1)
      return writers().size
    }, PATIENT)
    .toBe(2)
})
