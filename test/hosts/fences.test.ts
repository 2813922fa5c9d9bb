import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { fenceByCeph, fenceByCommand } from '../../src/hosts/index.ts'
import type { LeaseRecord } from '../../src/ring/lease-types.ts'
import { type TemporaryFolder, temporaryFolder } from '../cli/cli.ts'

const HOLDER: LeaseRecord = {
  status: 'held',
  confirmed: true,
  owner: 'host a; 10.0.0.7:0/3141592',
  nonce: '00112233445566ff',
  epoch: 1,
  counter: 1,
  timeoutMs: 30_000,
  time: 0,
}

/** A program of a few lines, in the language that is here for sure. */
function program(folder: TemporaryFolder, name: string, lines: string): string {
  const path = folder.file(name)
  writeFileSync(path, `#!${process.execPath}\nconst fs = require('node:fs')\n${lines}\n`)
  chmodSync(path, 0o755)
  return path
}

describe('a fence by command', () => {
  test('gets the owner as its last argument, as it is', async () => {
    using folder = temporaryFolder()
    const out = folder.file('out')
    const path = program(
      folder,
      'fence',
      'fs.writeFileSync(process.argv[2], JSON.stringify(process.argv.slice(3)))',
    )
    await fenceByCommand([path, out, 'off'])(HOLDER)
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(['off', HOLDER.owner])
  })

  test('fails if the command fails, is not there, or takes too long', async () => {
    using folder = temporaryFolder()
    const failing = program(folder, 'failing', "console.error('no answer'); process.exitCode = 3")
    await expect(fenceByCommand([failing])(HOLDER)).rejects.toThrow(/exit code 3\. no answer/)
    await expect(fenceByCommand([folder.file('none')])(HOLDER)).rejects.toThrow(/ENOENT/)
    const hanging = program(folder, 'hanging', 'setInterval(() => {}, 1000)')
    const late = fenceByCommand([hanging], { limitMs: 300 })(HOLDER)
    await expect(late).rejects.toThrow('it took too long')
    expect(() => fenceByCommand([])).toThrow(RangeError)
  })
})

/** Answers as the `ceph` command does; the second OSD learns of a new map only when it is asked a third time. */
const CEPH = `
const [log, ...args] = process.argv.slice(2)
fs.appendFileSync(log, args.join(' ') + '\\n')
const asked = fs.readFileSync(log, 'utf8').split('\\n').filter((line) => line.startsWith('tell osd.1')).length
if (args[1] === 'dump') {
  const osds = [{ osd: 0, up: 1 }, { osd: 1, up: 1 }, { osd: 2, up: 0 }]
  console.log(JSON.stringify({ epoch: 17, osds }))
} else if (args[0] === 'tell') {
  console.log(JSON.stringify({ newest_map: args[1] === 'osd.1' && asked < 3 ? 16 : 17 }))
}`

describe('a fence of Ceph', () => {
  test('adds the client to the blocklist, and waits until all OSDs that are up know', async () => {
    using folder = temporaryFolder()
    const log = folder.file('log')
    const ceph = [program(folder, 'ceph', CEPH), log]
    await fenceByCeph({ ceph, seconds: 3600 })(HOLDER)
    expect(readFileSync(log, 'utf8').trimEnd().split('\n')).toEqual([
      'osd blocklist add 10.0.0.7:0/3141592 3600',
      'osd dump --format json',
      'tell osd.0 status --format json',
      ...Array(3).fill('tell osd.1 status --format json'),
    ])
  })

  test('fails if an OSD does not learn of it in time, or the owner has no address', async () => {
    using folder = temporaryFolder()
    const log = folder.file('log')
    const behind = CEPH.replace('asked < 3', 'true')
    const ceph = [program(folder, 'ceph', behind), log]
    const late = fenceByCeph({ ceph, limitMs: 2000 })(HOLDER)
    await expect(late).rejects.toThrow(/does not know of it yet|took too long/)
    expect(readFileSync(log, 'utf8')).toContain('tell osd.1')
    const other = folder.file('other')
    const unknown = { ...HOLDER, owner: 'host $(a)' }
    const refused = fenceByCeph({ ceph: [ceph[0] ?? '', other] })(unknown)
    await expect(refused).rejects.toThrow('is no client address')
    expect(existsSync(other)).toBe(false)
  })
})
