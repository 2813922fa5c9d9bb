import {
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Disk } from '../../src/ring/format2/disk/disk.ts'
import type { ConsumerSlot, ProducerSlot } from '../../src/ring/format2/disk/slots.ts'
import { newestConsumer, newestProducer } from '../../src/ring/format2/role.ts'
import { pushBatches, smallRing } from '../helpers/damage.ts'
import { deviceBytes } from '../helpers/golden.ts'
import { needs } from '../helpers/interop.ts'
import { attachLoop, loopProblem } from '../helpers/loop.ts'
import { frame, ok, type Running, sbr, start, temporaryFolder } from './cli.ts'

/** What a message says that can be typed: `sbr create PATH --force`. */
function advised(stderr: string): string[][] {
  const found = stderr.matchAll(
    /\bsbr ([a-z]+ [^;,()]*?)(?=[;,.]? \(|[;,.]? or |[;,.] |\)|[;,.]?$)/gm,
  )
  return [...found].map(([, command = '']) => command.trim().split(' '))
}

/** A state, a command that is of no use on it, and whether it is once all that its message advises was done. */
interface State {
  readonly what: string
  readonly make: (path: string) => unknown
  readonly command: (path: string) => string[]
  /** How many commands the message has. */
  readonly advices: number
  /** What the message says of what is there. */
  readonly says?: string
}

const KIB = 1024
const blank = (path: string): void => {
  writeFileSync(path, '')
  truncateSync(path, 64 * KIB)
}
const put = (path: string, at: number, bytes: Uint8Array): void => {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, at)
  closeSync(fd)
}
/** A ring with two items, each in a commit of its own. */
const ring = async (path: string, ...flags: string[]): Promise<void> => {
  await ok(['create', path, '--size', '256KiB', ...flags])
  await ok(['produce', path], 'one\n')
  await ok(['produce', path], 'two\n')
}
const produce = (path: string): string[] => ['produce', path]
const drain = (path: string): string[] => ['consume', path, '--drain']
/** Has a consumer at work, which has taken what is there. */
const consuming = async (path: string, ...flags: string[]): Promise<Running> => {
  const consumer = start(['consume', path, ...flags])
  await consumer.printed((stdout) => stdout.includes('two\n'))
  return consumer
}
/** A ring whose consumer's role is leased by a host that is gone for good. */
const leased = async (path: string): Promise<void> => {
  await ring(path)
  await using gone = await consuming(path, '--lease', 'gone')
  gone.child.kill('SIGKILL')
  await gone.ended
  await ok(['produce', path], 'three\n')
}
/** A ring with an item, a role of which has written its slots for as often as can be counted. */
const exhausted = async (path: string, role: 'producer' | 'consumer'): Promise<void> => {
  const device = await smallRing(16)
  await pushBatches(device, [[Buffer.from('one')]])
  const disk = await Disk.open(device)
  const slots = await disk.readSlots()
  const generation = 2 ** 52 - 1
  const producer: ProducerSlot = { ...newestProducer(slots.producer, path).slot, generation }
  const consumer: ConsumerSlot = { ...newestConsumer(slots.consumer, path).slot, generation }
  if (role === 'producer') await disk.writeProducerSlot(0, producer)
  else await disk.writeConsumerSlot(0, consumer)
  writeFileSync(path, await deviceBytes(device))
}

const states: readonly State[] = [
  {
    what: 'nothing',
    make: () => undefined,
    command: (path) => ['diagnostics', path],
    advices: 1,
  },
  {
    what: 'an empty file',
    make: (path) => writeFileSync(path, ''),
    command: produce,
    advices: 1,
  },
  { what: 'a blank file', make: blank, command: produce, advices: 1, says: 'are blank' },
  ...['create', 'produce', 'journal push', 'device info'].map((command) => ({
    what: `a link to nothing, for ${command},`,
    make: (path: string) => {
      mkdirSync(`${dirname(path)}/data`)
      symlinkSync('data/real', path)
    },
    command: (path: string) => [...command.split(' '), path],
    advices: 1,
  })),
  {
    what: 'other content',
    make: (path) => writeFileSync(path, Buffer.alloc(65536, 'data')),
    command: (path) => ['create', path],
    advices: 1,
  },
  ...([1, 2] as const).map((format) => ({
    what: `a creation of format ${format} that was cut short`,
    make: (path: string) => {
      blank(path)
      put(path, 512 + 8, Uint8Array.of(format === 1 ? 2 : 0xff))
    },
    command: produce,
    advices: 1,
    says: `a ring of format ${format} whose creation was interrupted`,
  })),
  {
    what: 'a creation of format 2 that was cut short behind its guard',
    make: async (path) => {
      await ok(['create', path, '--size', '64KiB'])
      put(path, 12 * KIB, Buffer.alloc(52 * KIB))
    },
    command: produce,
    // The other one is for a device that has grown, and finds nothing to do any more.
    advices: 2,
  },
  {
    what: 'a ring without its guard',
    make: async (path) => {
      await ring(path)
      put(path, 0, Buffer.alloc(12 * KIB))
    },
    command: produce,
    advices: 1,
  },
  ...(['producer', 'consumer'] as const).map((role, index) => ({
    what: `a ring without the slots of its ${role}`,
    make: async (path: string) => {
      await ring(path)
      put(path, (20 + 8 * index) * KIB, Buffer.alloc(8 * KIB))
    },
    command: produce,
    advices: 1,
    says: `slots of the ${role}`,
  })),
  {
    what: 'a ring with items, to be erased,',
    make: (path) => ring(path),
    command: (path) => ['create', path, '--erase'],
    advices: 1,
  },
  {
    what: 'a damaged ring that is too small for format 2',
    make: (path) =>
      writeFileSync(
        path,
        readFileSync(new URL('../golden/corrupt-pointers-huge.img', import.meta.url)),
      ),
    command: (path) => ['create', path],
    advices: 1,
  },
  {
    what: 'a damaged item',
    make: async (path) => {
      await ring(path)
      put(path, readFileSync(path).indexOf('one'), Buffer.from('two'))
    },
    command: (path) => ['diagnostics', path],
    advices: 2,
  },
  ...['', ' --lease other'].map((flags) => ({
    what: `a role that is leased, for consume${flags},`,
    make: leased,
    command: (path: string) => [...drain(path), ...flags.split(' ').filter(Boolean)],
    advices: 1,
    says: 'is leased by "gone"',
  })),
  {
    what: 'a role that is leased, for create,',
    make: leased,
    command: (path) => ['create', path, '--erase', '--force'],
    // The other one only shows it.
    advices: 2,
    says: 'is leased by "gone"',
  },
  {
    what: 'a damaged lease',
    make: async (path) => {
      await ring(path)
      put(path, 36 * KIB + 30, Buffer.from('XXXXXXXX'))
    },
    command: produce,
    advices: 1,
    says: "lease of the producer's role",
  },
  {
    what: 'a ring of which another has other items',
    make: async (path) => {
      await ring(path)
      await ring(`${path}.new`)
    },
    command: (path) => ['migrate', path, `${path}.new`],
    advices: 1,
    says: 'has other items',
  },
]

interface Choice {
  readonly what: string
  readonly make: (path: string) => unknown
  readonly command: (path: string) => string[]
  /** The flags in its message. */
  readonly flags: RegExp
  /** What the commands read. */
  readonly input?: string | Uint8Array
}

const items = async (path: string, ...flags: string[]): Promise<void> => {
  await ok(['create', path, '--size', '64KiB', ...flags])
  await ok(['produce', path], `${'x'.repeat(3000)}\n`)
}

const choices: readonly Choice[] = [
  ...(['1', '2'] as const).flatMap((format) =>
    ['consume --drain', 'migrate', 'diagnostics', 'journal status'].map((command) => ({
      what: `an item that is too large for ${command}, format ${format},`,
      make: (path: string) => items(path, '--format', format),
      command: (path: string) => [
        ...command.split(' '),
        path,
        ...(command === 'migrate' ? [`${path}.new`] : []),
        '--max-item',
        '2000',
      ],
      flags: /allow more: (--max-item 3000)\b/,
    })),
  ),
  {
    what: 'an item that is too large for produce',
    make: (path) => items(path),
    command: (path) => ['produce', path, '--frames', '--max-item', '10'],
    flags: /(--max-item) allows more/,
    input: frame(Buffer.alloc(11)),
  },
  {
    what: 'a ring that was opened with sectors too large',
    make: (path) => items(path, '--format', '1'),
    command: (path) => ['diagnostics', path, '--sector-size', '4096'],
    flags: /use (--sector-size 512) \(/,
  },
  ...['device erase', 'device copy'].map((command) => ({
    what: `other content, for ${command},`,
    make: (path: string) => {
      writeFileSync(path, Buffer.alloc(65536, 'data'))
      copyFileSync(path, `${path}.from`)
    },
    command: (path: string) => [
      ...command.split(' '),
      ...(command === 'device copy' ? [`${path}.from`] : []),
      path,
    ],
    flags: /To destroy that: (--force)/,
  })),
  {
    what: 'other content, to be overwritten as a whole,',
    make: (path) => writeFileSync(path, Buffer.alloc(65536, 'data')),
    command: (path) => ['create', path],
    flags: /or (--erase --force) to overwrite all of it/,
  },
  {
    what: 'an operation that keeps failing',
    make: async (path) => {
      await items(path)
      await ok(['create', `${path}.dead`, '--size', '64KiB'])
    },
    command: (path) => [
      ...['journal', 'run', '--drain', '--attempts', '1'],
      ...[path, '--', 'false'],
    ],
    flags: /(--dead-letter DEVICE)\b/,
  },
]

/** A command with flags that were advised, instead of what it had of these. */
function withFlags(command: readonly string[], advised: readonly string[]): string[] {
  const kept = command.filter((word, at) => {
    const isOf = (flag: string | undefined): boolean =>
      flag?.startsWith('--') === true && advised.includes(flag)
    return !isOf(word) && !(isOf(command[at - 1]) && !word.startsWith('--'))
  })
  const end = kept.indexOf('--')
  return kept.toSpliced(end < 0 ? kept.length : end, 0, ...advised)
}

describe('what a message advises helps', () => {
  test.each(choices)('$what by a flag', async ({ make, command, flags, input }) => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await make(path)
    const refused = await sbr(command(path), input)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(flags)])
    const advised = (flags.exec(refused.stderr)?.[1] ?? '')
      .replace('DEVICE', `${path}.dead`)
      .replace(/^--max-item$/, '--max-item 11')
    await ok(withFlags(command(path), advised.split(' ')), input)
  })

  test.each(['producer', 'consumer'] as const)(
    'a ring whose %s has used up its numbers',
    async (role) => {
      using folder = temporaryFolder()
      const path = folder.file('ring')
      await exhausted(path, role)
      const refused = await (role === 'producer' ? sbr(produce(path), 'two\n') : sbr(drain(path)))
      expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('RING_EXHAUSTED')])
      const [words = [], ...more] = advised(refused.stderr)
      expect(more).toEqual([])
      const to = folder.file('new')
      await ok(words.map((word) => (word === 'NEW' ? to : word)))
      await ok(['produce', to], 'two\n')
      expect((await ok(drain(to))).toString()).toBe('one\ntwo\n')
    },
  )

  test('the leases of a copy', async () => {
    using folder = temporaryFolder()
    const [path, copy] = [folder.file('ring'), folder.file('copy')]
    await leased(path)
    const { code, stderr } = await sbr(['device', 'copy', path, copy])
    expect([code, stderr]).toEqual([0, expect.stringContaining('has the leases of "gone" too')])
    const [words = [], ...more] = advised(stderr)
    expect(more).toEqual([])
    await ok(words)
    expect((await ok(drain(copy))).toString()).toMatch(/three\n$/)
    // The ring itself is still the other host's.
    expect((await sbr(drain(path))).stderr).toContain('RING_LEASED')
  })

  test('a suspend request that no producer has granted', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await ring(path)
    for (const wish of ['suspend', 'resume']) {
      const { code, stderr } = await sbr([wish, path, '--timeout', '100ms'])
      expect([code, stderr]).toEqual([3, expect.stringMatching(/start (one|a producer), then: /)])
      expect(advised(stderr)).toEqual([['resume', path]])
    }
    await using producer = start(produce(path))
    // Each of them advises this.
    await ok(['resume', path])
    producer.child.stdin.end('three\n')
    expect((await producer.ended).code).toBe(0)
  })

  test('a role that is held on this machine: it is free once that one has ended', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await ring(path)
    await using consumer = await consuming(path)
    const refused = await sbr(drain(path))
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('end it, or wait until it ends'),
    ])
    const pid = /\(process (\d+) on /.exec(refused.stderr)?.[1]
    expect(Number(pid)).toBe(consumer.child.pid)
    process.kill(Number(pid), 'SIGTERM')
    await consumer.ended
    await ok(['produce', path], 'three\n')
    expect((await ok(drain(path))).toString()).toMatch(/three\n$/)
  })

  test('a producer at work on a ring that is to be moved: suspended, or moved all the same', async () => {
    using folder = temporaryFolder()
    const [path, to] = [folder.file('ring'), folder.file('new')]
    await ring(path)
    await using producer = start(produce(path))
    producer.child.stdin.write('three\n')
    while (!(await ok(['diagnostics', path])).includes('three')) await sleep(20)
    const move = ['migrate', path, to]
    const refused = await sbr(move)
    expect(refused.code).toBe(1)
    const [suspend = []] = advised(refused.stderr)
    expect(suspend).toEqual(['suspend', path])
    expect(refused.stderr).toMatch(/ with --live[ .]/)
    const live = await sbr([...move, '--live'])
    expect(live.code).toBe(0)
    producer.child.stdin.write('four\n')
    while (!(await ok(['diagnostics', path])).includes('four')) await sleep(20)
    const [, again = ''] = /run it again with (--live --add)$/m.exec(live.stderr) ?? []
    expect([live.stderr, again]).toEqual([live.stderr, '--live --add'])
    await ok([...move, ...again.split(' ')])
    expect((await ok(drain(to))).toString()).toBe('one\ntwo\nthree\nfour\n')
    await ok(suspend)
    await ok(move)
  })

  test('a ring of format 1 on what ends within a sector', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await ring(path, '--format', '1')
    truncateSync(path, 256 * KIB + 100)
    const { code, stderr } = await sbr(produce(path))
    const sizes = /such as (\d+) or (\d+) bytes/.exec(stderr)?.slice(1).map(Number) ?? []
    expect([code, sizes]).toEqual([1, [256 * KIB, 256 * KIB + 512]])
    for (const size of sizes) {
      truncateSync(path, size)
      await ok(['create', path, '--format', '1', '--erase', '--force'])
      await ok(produce(path), 'one\n')
    }
    const odd = ['create', folder.file('odd'), '--size', '70000']
    const refused = await sbr(odd)
    const nearest = /that are: (\d+) and (\d+)/.exec(refused.stderr)?.slice(1) ?? []
    expect([refused.code, nearest.length]).toEqual([2, 2])
    for (const size of nearest) {
      await ok(['create', folder.file(size), '--size', size])
    }
  })

  test('superblocks of several rings', async () => {
    using folder = temporaryFolder()
    const [path, other] = [folder.file('ring'), folder.file('other')]
    await ring(path)
    await ring(other, '--name', 'other')
    put(path, 16 * KIB, readFileSync(other).subarray(16 * KIB, 20 * KIB))
    const { code, stderr } = await sbr(drain(path))
    expect([code, stderr]).toEqual([1, expect.stringContaining('describe different rings')])
    const dump = /sbr (dump \S+ --at OFFSET) shows each/.exec(stderr)?.[1] ?? ''
    const places = [...stderr.matchAll(/at byte (\d+) \S+ \{.*?"name":"(\w*)"\}/g)]
    expect(places.map(([, , name]) => name)).toEqual(['', 'other'])
    for (const [, at = '', name = ''] of places) {
      const shown = (await ok(dump.replace('OFFSET', at).split(' '))).toString()
      expect(shown).toContain(`superblock, 4,096 bytes from byte ${at}`)
      expect(shown.includes('other')).toBe(name === 'other')
    }
    put(path, Number(places[1]?.[1]), Buffer.alloc(4 * KIB))
    expect(stderr).toContain('overwrite the wrong ones with zeroes')
    const [repair = [], ...more] = advised(stderr).filter(([name]) => name !== 'dump')
    expect(more).toEqual([])
    await ok(repair)
    await ok(['verify', path])
    expect((await ok(drain(path))).toString()).toBe('one\ntwo\n')
  })

  test('an item that is larger than the ring', async () => {
    using folder = temporaryFolder()
    const [path, to] = [folder.file('ring'), folder.file('new')]
    await items(path)
    const large = `${'y'.repeat(100_000)}\n`
    const refused = await sbr(['produce', path, '--max-item', '1MiB'], large)
    expect([refused.code, refused.stderr]).toEqual([1, expect.not.stringContaining('--max-item')])
    const [words = [], ...more] = advised(refused.stderr)
    expect(more).toEqual([])
    await ok(words.map((word) => (word === 'NEW' ? to : word === 'SIZE' ? '512KiB' : word)))
    await ok(['produce', to], large)
    expect((await ok(drain(to))).toString()).toBe(`${'x'.repeat(3000)}\n${large}`)
  })

  test('a size for what is there already', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    blank(path)
    const { code, stderr } = await sbr(['create', path, '--size', '1MiB'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('omit --size')])
    await ok(['create', path])
  })

  test.each(states)('$what', async ({ make, command, advices, says = '' }) => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await make(path)
    const refused = await sbr(command(path))
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining(says)])
    const commands = advised(refused.stderr)
    expect([commands.length, refused.stderr]).toEqual([advices, refused.stderr])
    for (const each of commands) {
      const words = each.map((word) => (word === 'NEW' ? folder.file('new') : word))
      // It waits for more, which nobody pushes here.
      const output = await ok(each[0] === 'consume' ? [...words, '--drain'] : words)
      // Of what this only looks at, its own words are walked too.
      if (output.includes('would be repaired with --write')) await ok([...words, '--write'])
    }
    // What is left is another ring, which may have to be asked for.
    const again = command(path).filter((word) => word !== '--erase')
    expect(await sbr(again)).toMatchObject({ code: 0, stderr: '' })
  })

  test('a device with other content is named as such, without advice to make a ring there', async () => {
    using folder = temporaryFolder()
    const path = folder.file('disk')
    blank(path)
    // What ext4 has 1,080 bytes after its start, which is blank.
    put(path, 1080, Uint8Array.of(0x53, 0xef))
    for (const command of ['produce', 'consume', 'diagnostics', 'verify', 'lease show']) {
      const { code, stderr } = await sbr([...command.split(' '), path])
      expect([command, code, stderr]).toEqual([
        command,
        1,
        expect.stringContaining(
          `sbr: there is no ring on ${path}: it holds an ext2, ext3 or ext4 file system; check the path`,
        ),
      ])
    }
  })

  test('a read-only device is called that, and nothing is said of options of the library', async (context) => {
    needs(context, loopProblem())
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await ring(path)
    using loop = attachLoop(path, { readOnly: true })
    for (const command of [
      'produce',
      'consume',
      'suspend',
      'create --erase --force',
      'journal push',
    ]) {
      const { code, stderr } = await sbr([...command.split(' '), loop.path])
      expect([command, code, stderr]).toEqual([
        command,
        1,
        expect.stringMatching(
          /is a read-only device; make it writable where it was made or attached, or with blockdev --setrw[ .]/,
        ),
      ])
      expect(stderr).not.toMatch(/mode '|open it/)
    }
  })
})
