import { execFileSync } from 'node:child_process'
import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { addPartition, attachLoop, loopProblem } from '../helpers/loop.ts'
import { jsonError, numbers, ok, sbr, type TemporaryFolder, temporaryFolder } from './cli.ts'

const MIB = 1 << 20
const SMALL = {
  1: ['--format', '1'],
  2: ['--format', '2', '--block-size', '512'],
} as const

/** A ring for sectors of 512 bytes, with three items. */
async function smallRing(folder: TemporaryFolder, format: 1 | 2): Promise<string> {
  const path = folder.file('ring')
  await ok(['create', path, '--size', '1MiB', ...SMALL[format]])
  await ok(['produce', path], numbers(1, 3))
  return path
}

const COMMANDS = [
  ['create'],
  ['produce'],
  ['consume', '--drain'],
  ['diagnostics'],
  ['verify'],
  ['repair'],
  ['repair', '--write'],
]

/** Expects that each command calls the ring sound, and says the same way out. */
async function expectTold(path: string, wayOut: string): Promise<void> {
  for (const [command = '', ...flags] of COMMANDS) {
    const refused = await sbr([command, path, ...flags, '--json'], '')
    expect([command, refused.code, jsonError(refused)['code']]).toEqual([
      command,
      1,
      'RING_SECTOR_SIZE',
    ])
    expect(refused.stderr).toContain(wayOut)
    expect(refused.stderr).not.toMatch(/damage|corrupt/i)
  }
}

for (const format of [1, 2] as const) {
  test(`a disk whose sectors are too large for a ring: copy it to a file, format ${format}`, async (context) => {
    needs(context, loopProblem())
    using folder = temporaryFolder()
    const path = await smallRing(folder, format)
    const before = readFileSync(path)
    using disk = attachLoop(path, { sectorSize: 4096 })
    const copy = folder.file('ring.img')
    await expectTold(disk.path, `copy it to a file, which takes them (sbr device copy ${disk.path}`)
    expect(readFileSync(path).equals(before)).toBe(true)
    await ok(['device', 'copy', disk.path, copy])
    await ok(['migrate', copy, folder.file('NEW'), '--size', '1MiB', '--keep'])
    for (const each of [copy, folder.file('NEW')]) {
      expect((await ok(['consume', each, '--drain'])).toString()).toBe(numbers(1, 3))
    }
  })

  test(`a partition of it likewise, format ${format}`, async (context) => {
    needs(context, loopProblem())
    using folder = temporaryFolder()
    const path = await smallRing(folder, format)
    const disk = folder.file('disk')
    writeFileSync(disk, Buffer.concat([new Uint8Array(MIB), readFileSync(path)]))
    truncateSync(disk, 3 * MIB)
    using loop = attachLoop(disk, { sectorSize: 4096 })
    const partition = addPartition(loop.path, MIB / 512, MIB / 512)
    try {
      const refused = await sbr(['diagnostics', partition])
      expect(refused.stderr).toContain(`(sbr device copy ${partition} ring.img)`)
    } finally {
      execFileSync('delpart', [loop.path, '1'])
    }
  })

  test(`a file, or a disk with small sectors, opened with large ones: say so, format ${format}`, async (context) => {
    using folder = temporaryFolder()
    const path = await smallRing(folder, format)
    const told = await sbr(['diagnostics', path, '--sector-size', '4096'])
    expect(told.stderr).toContain('use --sector-size 512 (RING_SECTOR_SIZE)')
    await ok(['diagnostics', path, '--sector-size', '512'])
    needs(context, loopProblem())
    using disk = attachLoop(path)
    const ofDisk = await sbr(['diagnostics', disk.path, '--sector-size', '4096'])
    expect(ofDisk.stderr).toContain('use --sector-size 512 (RING_SECTOR_SIZE)')
    await ok(['diagnostics', disk.path, '--sector-size', '512'])
  })
}
