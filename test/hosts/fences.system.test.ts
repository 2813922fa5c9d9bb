import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test, vi } from 'vitest'
import { type CephFenceOptions, fenceByCeph, fenceByCommand } from '../../src/hosts/index.ts'
import type { LeaseRecord } from '../../src/ring/lease-types.ts'
import { type TemporaryFolder, temporaryFolder } from '../cli/cli.ts'

const HOLDER: LeaseRecord = {
  status: 'held',
  confirmed: true,
  owner: 'host-a 10.0.0.7:0/3141592',
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

/** The same for a script of the shell, which starts sooner. */
function script(folder: TemporaryFolder, lines: string): string {
  const path = folder.file('script')
  writeFileSync(path, lines, { mode: 0o755 })
  return path
}

/** Processes, but for zombies, that have this in their environment. */
function processesWith(variable: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return pids.map(Number).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(variable)
    } catch {
      return false
    }
  })
}

describe('a fence by command', () => {
  test('gets the owner behind -- and in its environment', async () => {
    using folder = temporaryFolder()
    const out = folder.file('out')
    const path = program(
      folder,
      'fence',
      'fs.writeFileSync(process.argv[2], JSON.stringify([process.env.SBR_OWNER, process.argv.slice(3)]))',
    )
    await fenceByCommand([path, out, 'off'])(HOLDER)
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual([
      HOLDER.owner,
      ['off', '--', HOLDER.owner],
    ])
  })

  test('fails if the command fails, is killed, is not there, or takes too long', async () => {
    using folder = temporaryFolder()
    const failing = program(folder, 'failing', "console.error('no answer'); process.exitCode = 3")
    await expect(fenceByCommand([failing])(HOLDER)).rejects.toThrow(/exit code 3: no answer$/)
    const killed = fenceByCommand(['sh', '-c', 'kill -TERM $$'])(HOLDER)
    await expect(killed).rejects.toThrow('sh: it was killed by SIGTERM')
    await expect(fenceByCommand([folder.file('none')])(HOLDER)).rejects.toThrow(/ENOENT/)
    await expect(fenceByCommand([folder.path])(HOLDER)).rejects.toThrow(/EACCES/)
    const hanging = program(folder, 'hanging', 'setInterval(() => {}, 1000)')
    const late = fenceByCommand([hanging], { timeoutMs: 300 })(HOLDER)
    await expect(late).rejects.toThrow('it took more than 0.3 s, and was killed')
    expect(() => fenceByCommand([])).toThrow(RangeError)
    for (const limitMs of [0, -1, Number.NaN, 2 ** 31, Number.POSITIVE_INFINITY]) {
      expect(() => fenceByCommand(['true'], { timeoutMs: limitMs }), String(limitMs)).toThrow(
        RangeError,
      )
    }
  })

  test('ends with the exit of its command, even if another process keeps its output open', {
    timeout: 20_000,
  }, async () => {
    const holder = { ...HOLDER, owner: `background-${process.pid}` }
    const done = fenceByCommand(['sh', '-c', 'sleep 60 & exit 0'])(holder)
    await done
    const failed = fenceByCommand(['sh', '-c', 'sleep 60 & echo "no PDU" >&2; exit 3'])(holder)
    await expect(failed).rejects.toThrow(/^sh: it ended with exit code 3: no PDU$/)
    const left = processesWith(`SBR_OWNER=${holder.owner}`)
    for (const pid of left) process.kill(pid)
    expect(left).toHaveLength(2)
  })

  test('kills the processes that its command started, at its limit', async () => {
    const holder = { ...HOLDER, owner: `late-${process.pid}` }
    const started = ['sh', '-c', 'trap "" TERM; (sleep 60; sleep 60) | sleep 60 & sleep 60']
    const late = fenceByCommand(started, { timeoutMs: 1000 })(holder)
    await expect(late).rejects.toThrow(/^sh: it took more than 1 s, and was killed$/)
    expect(processesWith(`SBR_OWNER=${holder.owner}`)).toEqual([])
  })

  test('may print anything: its error has one line', async () => {
    const flood = 'head -c 10000000 /dev/zero | tr "\\0" x'
    await fenceByCommand(['sh', '-c', `${flood}; ${flood} >&2`])(HOLDER)
    const noisy = String.raw`printf 'one\r\ntwo\033[31m\342\200\256red\n' >&2; ${flood} >&2; exit 1`
    const failed = fenceByCommand(['sh', '-c', noisy])(HOLDER)
    await expect(failed).rejects.toThrow(
      /^sh: it ended with exit code 1: one two \[31m red x{183}$/,
    )
  })
})

/** Answers as the `ceph` command does; the second OSD learns of a new map only when it is asked a third time. */
const CEPH = `#!/bin/sh
log=$1; shift; echo "$*" >> "$log"
epoch=17
case "$*" in
  "tell osd.1 "*) test $(grep -c '^tell osd.1' "$log") -ge 3 || epoch=16 ;;
esac
case "$*" in
  "osd dump "*) echo '{"epoch":17,"osds":[{"osd":0,"up":1},{"osd":1,"up":1},{"osd":2,"up":0}]}' ;;
  "tell "*) echo "{\\"newest_map\\":$epoch}" ;;
esac
`

describe('a fence of Ceph', () => {
  test('adds the client to the blocklist, and waits until all OSDs that are up know', async () => {
    using folder = temporaryFolder()
    const log = folder.file('log')
    const ceph = [script(folder, CEPH), log]
    await fenceByCeph({ ceph, blockSeconds: 3600 })(HOLDER)
    expect(readFileSync(log, 'utf8').trimEnd().split('\n')).toEqual([
      'osd blocklist add 10.0.0.7:0/3141592 3600',
      'osd dump --format json',
      'tell osd.0 status --format json',
      ...Array(3).fill('tell osd.1 status --format json'),
    ])
  })

  test('fails if an OSD does not learn of it in time', async () => {
    using folder = temporaryFolder()
    const log = folder.file('log')
    const behind = CEPH.replace('-ge 3', '-ge 1000000')
    const ceph = [script(folder, behind), log]
    const asked = (): boolean => readFileSync(log, 'utf8').includes('tell osd.1')
    // On a busy machine the limit would be over before the second OSD is asked at all.
    using _ = vi
      .spyOn(performance, 'now')
      .mockImplementation(() => (existsSync(log) && asked() ? 60_001 : 0))
    const late = fenceByCeph({ ceph, timeoutMs: 60_000 })(HOLDER)
    await expect(late).rejects.toThrow('osd.1 does not know of it yet')
  })

  test('asks for nothing unless the owner has one address of a client that may be shut out', async () => {
    using folder = temporaryFolder()
    const log = folder.file('log')
    const ceph = [script(folder, CEPH), log]
    const fence = (owner: string, options: CephFenceOptions = {}): Promise<void> =>
      fenceByCeph({ ceph, ...options })({ ...HOLDER, owner })
    for (const owner of [
      'host-a',
      '10.0.0.7',
      '10.0.0.7:0',
      '10.0.0.7/24',
      '10.0.0.256:0/0',
      '10.0.7:0/0',
      '10.0.0.7:65536/0',
      '10.0.0.7:0/4294967296',
      '10.0.0.7:0/-1',
      '[10.0.0.7]:0/0',
      '2001:db8::7:0/0',
      '[2001:db8:::7]:0/0',
      '[fe80::1%eth0]:0/0',
      'v1:10.0.0.7:0/0',
      '10.0.0.7:0/0,10.0.0.8:0/0',
    ]) {
      await expect(fence(owner), owner).rejects.toThrow('expected one client address')
    }
    const addressOf = (): string => '10.0.0.7:0/0 10.0.0.8:0/0'
    await expect(fence('host-a', { addressOf })).rejects.toThrow('expected one client address')
    const allow = ['10.0.0.7', '10.1.0.0/16', '2001:db8:1::/64']
    for (const owner of ['10.0.0.8:0/0', '10.2.0.1:0/1', '[2001:db8:2::1]:0/0']) {
      await expect(fence(owner, { allow }), owner).rejects.toThrow('not among the hosts')
    }
    expect(existsSync(log)).toBe(false)
    for (const owner of ['10.0.0.7:0/0', '10.1.2.3:6789/1', '[2001:db8:1::1]:0/0']) {
      await fence(owner, { allow })
      expect(readFileSync(log, 'utf8')).toContain(`osd blocklist add ${owner} 86400\n`)
    }
    for (const entry of ['host-a', '10.0.0.7/33', '::/129', '10.0.0.7:0/0', '', 5n as never]) {
      expect(() => fenceByCeph({ allow: [entry] }), String(entry)).toThrow(RangeError)
    }
    expect(() => fenceByCeph({ blockSeconds: 0.5 })).toThrow(RangeError)
    expect(() => fenceByCeph({ timeoutMs: 0 })).toThrow(RangeError)
  })
})
