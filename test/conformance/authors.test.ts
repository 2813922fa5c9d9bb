import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { BLOCK_ERROR_CODES } from '../../src/block/index.ts'
import { deviceConformance } from '../../src/conformance/index.ts'
import { RingReader, RingWriter } from '../../src/index.ts'
import { resumeRing, suspendRing, whoHolds } from '../../src/tools.ts'
import { AuthorsDevice, RESERVED } from './authors.ts'

const again = async (device: unknown): Promise<AuthorsDevice> => (device as AuthorsDevice).second()

describe.concurrent('a back-end made of what the package exports', () => {
  deviceConformance({
    test: test.concurrent,
    open: async () => new AuthorsDevice(),
    openReadOnly: async () => new AuthorsDevice(undefined, false),
    openSecond: again,
    reopen: again,
  })
})

test('a ring on it answers requests, and its holders are known', async () => {
  await using device = new AuthorsDevice()
  await using writer = await RingWriter.open(device, { createIfMissing: true, client: 'author' })
  await using reader = await RingReader.open(device.second())
  await writer.push(new Uint8Array([1]))
  expect((await reader.receive()).item).toEqual(new Uint8Array([1]))
  const other = device.second()
  expect((await whoHolds(other)).producer?.holder).toContain('author')
  await suspendRing(other)
  expect(await reader.state()).toBe('suspended')
  await resumeRing(other)
  expect(await reader.state()).toBe('running')
  await expect(RingWriter.open(other)).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
})

test('its own refusals have the codes and the wording of the package', async () => {
  await using device = new AuthorsDevice()
  await expect(device.discard(3, 1)).rejects.toMatchObject({
    code: 'BLOCK_UNSUPPORTED',
    message: 'authors does not support discarding a single sector',
    details: { device: 'authors' },
  })
  await expect(device.claim(RESERVED, { holder: 'me' })).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
    details: { device: 'authors', holder: 'the storage itself' },
  })
})

test('a claim that was released twice does not end the claim of the next holder', async () => {
  await using device = new AuthorsDevice()
  await using other = device.second()
  const first = await device.claim('producer', { holder: 'first' })
  await first.release()
  await using next = device.second()
  await next.claim('producer', { holder: 'second' })
  await first.release()
  await device.disconnect()
  expect(await other.holderOf('producer')).toMatchObject({ holder: 'second' })
})

test('the list of codes has every code in the sources, and no other', () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && path !== 'errors.ts')
    .map((path) => readFileSync(`src/${path}`, 'utf8'))
  const used = sources.flatMap((text) => text.match(/(?<=')BLOCK_[A-Z_]+(?=')/g) ?? [])
  expect([...BLOCK_ERROR_CODES].sort()).toEqual([...new Set(used)].sort())
})
