import { expect, test } from 'vitest'
import { hexDump } from '../../src/cli/output/hex-dump.ts'
import { ok, sbr, temporaryFolder } from './cli.ts'
import { damage, makeRing } from './tools.ts'

test('shows fields and bytes, at any way of writing an offset', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\n')
  const text = (await ok(['dump', path, '--at', '45056', '--length', '96'])).toString()
  expect(text).toContain('format 2: header of the batch at LSN 0, 80 bytes from byte 45056\n')
  expect(text).toMatch(/^ +45120 {4}4 {2}records +2$/m)
  expect(text).toMatch(/^ +45056 {2}53 42 52 42 /m)
  expect(text).toMatch(/ \|SBRB.{12}\|$/m)
  for (const at of ['0xb000', '44KiB']) {
    expect((await ok(['dump', path, '--at', at, '--length', '96'])).toString()).toBe(text)
  }
})

test('prints fields and bytes as JSON', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  damage(path, 16_384 + 100)
  const args = ['dump', path, '--at', '16384', '--length', '4', '--json']
  const found = JSON.parse((await ok(args)).toString())
  expect(found).toMatchObject({
    device: path,
    format: 2,
    structure: 'superblock 2',
    start: 16_384,
    length: 512,
    offset: 16_384,
    hex: '53425249',
  })
  expect(found.problem).toMatch(/^checksum: expected/)
  expect(found.fields[0]).toEqual({ name: 'magic', offset: 16_384, bytes: 8, value: 'SBRING2' })
})

test('refuses what is not on the device', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, '')
  for (const at of ['128KiB', '-1', '1.5', '0x', 'x']) {
    expect([at, (await sbr(['dump', path, `--at=${at}`])).code]).toEqual([at, 2])
  }
  expect((await ok(['dump', path, '--at', '0', '--length', '1'])).toString()).toContain('guard')
})

test('a line has 16 bytes, and the last one what is left', () => {
  const bytes = new Uint8Array([...Buffer.from('shared-block-ring'), 0, 0xff])
  expect(hexDump(bytes, 512).split('\n')).toEqual([
    '         512  73 68 61 72 65 64 2d 62 6c 6f 63 6b 2d 72 69 6e  |shared-block-rin|',
    '         528  67 00 ff                                         |g..|',
    '',
  ])
})
