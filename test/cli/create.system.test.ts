import { execFileSync } from 'node:child_process'
import {
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { straceProblem } from '../helpers/strace.ts'
import { diagnose, jsonError, mainPath, ok, sbr, start, temporaryFolder } from './cli.ts'

test('makes a file in full, and a ring on it', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  expect(
    (await ok(['create', path, '--size', '1MiB', '--sector-size', '4096'])).toString(),
  ).toMatch(
    /made a ring of format 2, of 256 sectors of 4096 bytes, with room for 244 commits: each takes at least a block of 4,096 bytes/,
  )
  expect(statSync(path).size).toBe(1 << 20)
  expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(1 << 20)
  expect(await diagnose(path, '--sector-size', '4096')).toMatchObject({
    sizeSectors: 256,
    usedBytes: 0,
  })
})

test('has a size of its own', async () => {
  using folder = temporaryFolder()
  await ok(['create', folder.file('ring')])
  expect(statSync(folder.file('ring')).size).toBe(64 << 20)
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
  ['SIGQUIT', 131],
] as const)('leaves no temporary file when %s stops it', async (signal, exitCode) => {
  using folder = temporaryFolder()
  await using creating = start(['create', folder.file('ring'), '--size', '1GiB'])
  while (readdirSync(folder.path).length === 0) await sleep(5)
  creating.child.kill(signal)
  expect((await creating.ended).code).toBe(exitCode)
  expect(readdirSync(folder.path)).toEqual([])
})

test('leaves an existing ring as it is', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB'])
  await ok(['produce', path], 'one\n')
  const before = readFileSync(path)
  for (const flags of [[], ['--size', '64KiB'], ['--force']]) {
    expect((await ok(['create', path, ...flags])).toString()).toContain(
      'already has a ring of format 2, which was not changed',
    )
    expect(readFileSync(path).equals(before)).toBe(true)
  }
  const json = JSON.parse((await ok(['create', path, '--json'])).toString())
  expect(json).toEqual({
    device: path,
    created: false,
    format: 2,
    sectorSize: 512,
    sizeSectors: 128,
    capacityBytes: (128 - 96) * 512,
  })
})

test('leaves a ring of format 1 as it is, also one that is too small for format 2', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '4KiB', '--format', '1'])
  await ok(['produce', path], 'one\n')
  const before = readFileSync(path)
  for (const flags of [[], ['--force'], ['--format', '1']]) {
    const json = JSON.parse((await ok(['create', path, '--json', ...flags])).toString())
    expect(json).toMatchObject({ created: false, format: 1 })
  }
  expect(readFileSync(path).equals(before)).toBe(true)
  const refused = await sbr(['create', path, '--erase', '--force', '--json'])
  expect(jsonError(refused)).toMatchObject({ code: 'RING_DEVICE_TOO_SMALL' })
  expect(readFileSync(path).equals(before)).toBe(true)
})

test('fills an empty file, which keeps its identity and its permissions', async () => {
  using folder = temporaryFolder()
  const path = folder.file('empty')
  writeFileSync(path, '', { mode: 0o640 })
  const { ino, mode } = statSync(path)
  await ok(['create', path, '--size', '1MiB'])
  expect(statSync(path)).toMatchObject({ ino, mode, size: 1 << 20 })
  expect(statSync(path).blocks * 512).toBeGreaterThanOrEqual(1 << 20)
  expect(await diagnose(path)).toMatchObject({ sizeSectors: 2048, usedBytes: 0 })
})

test.each(['nothing', 'an empty file', 'a blank file'])(
  'of several that make a ring of %s at once, all have it',
  async (state) => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    if (state !== 'nothing') writeFileSync(path, '')
    if (state === 'a blank file') truncateSync(path, 1 << 20)
    const all = await Promise.all(
      [1, 2, 3].map(() => sbr(['create', path, '--size', '1MiB', '--json'])),
    )
    expect(all.map(({ code, stderr }) => [code, stderr])).toEqual(all.map(() => [0, '']))
    const created = all.map(({ stdout }) => JSON.parse(stdout.toString()).created)
    expect(created.filter((each) => each)).toHaveLength(1)
    expect(readdirSync(folder.path)).toEqual(['ring'])
  },
)

test('uses a blank file', async () => {
  using folder = temporaryFolder()
  const path = folder.file('blank')
  writeFileSync(path, '')
  truncateSync(path, 65536)
  await ok(['create', path])
  expect(await diagnose(path)).toMatchObject({ sizeSectors: 128 })
})

test('refuses what holds something else, unless it is forced', async () => {
  using folder = temporaryFolder()
  const path = folder.file('data')
  for (const flags of [[], ['--erase']]) {
    const content = Buffer.alloc(65536, 'somebody else wants this')
    writeFileSync(path, content)
    const refused = await sbr(['create', path, '--json', ...flags])
    expect(refused.code).toBe(1)
    expect(jsonError(refused)).toMatchObject({ code: 'RING_NOT_BLANK' })
    expect(readFileSync(path).equals(content)).toBe(true)

    await ok(['create', path, '--force', ...flags])
    expect(await diagnose(path)).toMatchObject({ usedBytes: 0 })
    const data = readFileSync(path).subarray(45056, -4096)
    expect(data.every((byte) => byte === 0)).toBe(flags.length > 0)
  }
})

test('erases a ring only if nothing is lost, or if it is forced', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB'])
  await ok(['produce', path], 'one\ntwo\n')
  const refused = await sbr(['create', path, '--erase'])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('holds a ring with 6 bytes of items')
  // --force alone would leave it as it is.
  expect(refused.stderr).toMatch(/To destroy that: sbr create \S+ --erase --force \(/)
  expect(refused.stderr).not.toContain('--force,')
  await ok(['consume', path, '--drain'])
  await ok(['create', path, '--erase'])
  expect(await diagnose(path)).toMatchObject({
    stats: { committedItems: 0, acknowledgedItems: 0 },
    waitingItems: 0,
  })
  await ok(['produce', path], 'three\n')
  await ok(['create', path, '--erase', '--force'])
  expect(await diagnose(path)).toMatchObject({ usedBytes: 0, items: [] })
})

test('does not erase a damaged ring', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  writeFileSync(path, readFileSync(new URL('../golden/corrupt-bool-consumer.img', import.meta.url)))
  const refused = await sbr(['create', path, '--erase', '--format', '1'])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('cannot be read')])
})

test.each(['bool-consumer', 'producer-behind', 'pointers-huge'])(
  'an unreadable ring is not used as it is: %s',
  async (name) => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    const content = readFileSync(new URL(`../golden/corrupt-${name}.img`, import.meta.url))
    writeFileSync(path, content)
    for (const flags of [[], ['--force']]) {
      const refused = await sbr(['create', path, '--json', ...flags])
      expect([refused.code, refused.stdout.length]).toEqual([1, 0])
      expect(jsonError(refused)).toMatchObject({
        code: 'RING_CORRUPT',
        message: expect.stringContaining(
          `to destroy it: sbr create ${path} --format 1 --erase --force`,
        ),
      })
      expect(readFileSync(path).equals(content)).toBe(true)
    }
    await ok(['create', path, '--erase', '--force', '--format', '1'])
    expect(await diagnose(path)).toMatchObject({ usedBytes: 0 })
  },
)

test('a sector size other than that of a ring of format 1 is reported', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB', '--sector-size', '4096', '--format', '1'])
  for (const command of ['create', 'produce', 'consume', 'diagnostics', 'suspend']) {
    const { code, stderr } = await sbr([command, path])
    expect([command, code, stderr]).toEqual([
      command,
      1,
      expect.stringContaining('RING_SECTOR_SIZE'),
    ])
    expect(stderr).toContain('use --sector-size 4096')
  }
})

test('an existing ring that differs from the flags is wrong usage', async () => {
  using folder = temporaryFolder()
  const [path, original] = [folder.file('ring'), folder.file('original')]
  const wanted = ['--format', '2', '--name', 'jobs', '--on-full', 'wait', '--block-size', '512']
  await ok(['create', path, '--size', '64KiB', ...wanted])
  await ok(['create', original, '--size', '64KiB', '--format', '1'])
  const before = readFileSync(path)
  for (const [flag, value] of [
    ['--format', '1'],
    ['--name', 'mail'],
    ['--on-full', 'overwrite'],
    ['--block-size', '4096'],
  ] as const) {
    const refused = await sbr(['create', path, flag, value, '--json'])
    expect([flag, refused.code, refused.stdout.length]).toEqual([flag, 2, 0])
    expect(jsonError(refused)).toMatchObject({
      code: 'CLI_USAGE',
      message: expect.stringContaining(`${flag}: the ring on ${path} has `),
    })
    expect(
      (await sbr(['create', original, ...(flag === '--format' ? [flag, '2'] : [flag, value])]))
        .code,
    ).toBe(2)
  }
  expect(readFileSync(path).equals(before)).toBe(true)
  await ok(['create', path, ...wanted])
  const nameless = folder.file('nameless')
  await ok(['create', nameless, '--size', '64KiB'])
  expect((await sbr(['create', nameless, '--name', 'mail'])).stderr).toContain('has none, not mail')
  expect((await sbr(['create', path, '--name', ''])).stderr).toContain('has jobs, not none')
})

test('a device that is unsuitable is reported with one piece of advice', async () => {
  using folder = temporaryFolder()
  const [blank, small, other] = [folder.file('blank'), folder.file('small'), folder.file('other')]
  writeFileSync(blank, Buffer.alloc(8192))
  writeFileSync(small, 'hello\n')
  writeFileSync(other, Buffer.alloc(65536, 'data'))
  expect((await sbr(['consume', blank])).stderr).toBe(
    `sbr: there is no ring on ${blank}: its start and its end are blank. Make one: sbr create ${blank} ` +
      '(RING_NOT_INITIALISED)\n',
  )
  expect((await sbr(['consume', small])).stderr).toBe(
    `sbr: ${small} is too small for a ring: expected at least 4 sectors, found 0; only whole sectors count ` +
      '(RING_DEVICE_TOO_SMALL)\n',
  )
  expect((await sbr(['consume', other])).stderr).toBe(
    `sbr: there is no ring on ${other}: it holds unknown data ("datadatadatadatadatadatadatada" at byte 0); check the path ` +
      '(RING_NOT_INITIALISED)\n',
  )
  expect((await sbr(['create', other])).stderr).toMatch(
    /nothing was written\. To destroy that: sbr create \S+ --force, or --erase --force to overwrite all of it \(/,
  )
  const missing = await sbr(['create', join(folder.file('missing'), 'ring'), '--size', '64KiB'])
  expect(missing.stderr).toBe(
    `sbr: could not create ${folder.file('missing')}/ring: the directory ${folder.file('missing')} does not exist; ` +
      'make it first (BLOCK_OPEN)\n',
  )
})

test('changes no ring at work, even if it is forced', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB'])
  await ok(['produce', path], 'one\n')
  await using consumer = start(['consume', path, '--client', 'busy one'])
  await consumer.printed((stdout) => stdout.length > 0)
  const refused = await sbr(['create', path, '--erase', '--force', '--json'])
  expect(refused.code).toBe(1)
  expect(jsonError(refused)).toMatchObject({ code: 'BLOCK_CLAIMED' })
  expect(refused.stderr).toContain('busy one')
  expect(refused.stderr.match(/wait until/g)).toHaveLength(1)
})

test('format 1 takes no file that ends within a sector, and says what sizes would do', async () => {
  using folder = temporaryFolder()
  const path = folder.file('odd')
  writeFileSync(path, Buffer.alloc(100_000))
  const refused = await sbr(['create', path, '--format', '1', '--json'])
  expect([refused.code, jsonError(refused)]).toMatchObject([
    1,
    {
      code: 'RING_PARTIAL_SECTOR',
      message: expect.stringContaining('such as 99840 or 100352 bytes'),
      expected: 'a multiple of 512 bytes',
      found: '100000 bytes',
      offset: 99_840,
    },
  ])
  expect(readFileSync(path).equals(Buffer.alloc(100_000))).toBe(true)
  await ok(['create', path, '--format', '2'])
})

test('says what is wrong with a size', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  for (const size of ['12x', '1000', '1024', '0']) {
    const { code, stderr } = await sbr(['create', path, '--size', size])
    expect([size, code]).toEqual([size, 2])
    expect(stderr).toMatch(/expected a size|expected at least 65536 bytes/)
    expect(() => statSync(path)).toThrow('ENOENT')
  }
  const odd = await sbr(['create', path, '--size', '1MB'])
  expect([odd.code, odd.stderr]).toEqual([
    2,
    expect.stringContaining(
      'no multiple of the sector size, 512 bytes; the nearest sizes that are: 999936 and 1000448',
    ),
  ])
  await ok(['create', path, '--size', '64KiB'])
  const { code, stderr } = await sbr(['create', path, '--size', '65KiB'])
  expect([code, stderr]).toEqual([2, expect.stringContaining('has 65,536 bytes, not 66,560')])
  const text = folder.file('text')
  writeFileSync(text, 'five\n')
  const tiny = await sbr(['create', text, '--size', '1MiB'])
  expect([tiny.code, tiny.stderr]).toEqual([2, expect.stringContaining('has 5 bytes, not')])
  expect(tiny.stderr).toContain('too small for a ring; choose another path')
  expect(tiny.stderr).not.toContain('omit --size')
})

test('wrong usage ends with 2, also as JSON', async () => {
  const cases = [
    [],
    ['nonsense'],
    ['create'],
    ['create', ''],
    ['create', 'a', 'b'],
    ['consume', 'a', '--count', '0'],
    ['consume', 'a', '--nonsense'],
    ['produce', 'a', '--sector-size', '700'],
    ['suspend', 'a', '--timeout', 'soon'],
    ['lease'],
    ['journal'],
    ['device'],
    ['bench', 'a', '--time', '0'],
    ['create', 'a', '--size', '9999TiB'],
    ['consume', 'http://host/a'],
    ['produce', 'a', '--lease', 'me', '--fence'],
    ['produce', 'a', '--lease', 'me', '--fence', '--unfenced'],
    ['produce', 'a', '--lease', 'me', '--fence='],
    ['produce', 'a', '--lease', 'me', '--fence', ''],
  ]
  for (const args of cases) expect([args, (await sbr(args)).code]).toEqual([args, 2])
  expect((await sbr(['diagnostics', 'a', '--noitems'])).stderr).toContain(
    'did you mean --no-items?',
  )
  expect((await sbr(['produce', 'a', '--lease', 'me', '--fence='])).stderr).toContain(
    'expected a value for --fence, found none',
  )
  expect((await sbr(['device', '--help'])).code).toBe(0)
  expect((await sbr(['create', 'a', '--size', '9999TiB'])).stderr).toContain(
    'a size of less than 8192TiB',
  )
  expect((await sbr(['consume', 'http://host/a'])).stderr).toContain('found the scheme http')
  const { code, stderr } = await sbr(['create', '--json', 'a', 'b\x1b[31m'])
  expect(code).toBe(2)
  expect(JSON.parse(stderr).error.code).toBe('CLI_USAGE')
})

test('a word that is no command is answered with one that is near, if there is any', async () => {
  const far = await sbr(['bogus'])
  expect([far.code, far.stderr]).toEqual([
    2,
    'sbr: there is no command bogus (see sbr --help) (CLI_USAGE)\n',
  ])
  expect((await sbr(['consum', 'a'])).stderr).toContain('no command consum; did you mean consume?')
})

test('the first steps of the help work in an empty folder', async () => {
  using folder = temporaryFolder()
  const examples = (await ok(['--help'])).toString().match(/^ {2}sbr create outbox.*$/m)?.[0] ?? ''
  const sbrIs = `sbr() { '${process.execPath}' '${mainPath}' "$@"; }`
  execFileSync('sh', ['-ec', `${sbrIs}\n${examples}`], { cwd: folder.path })
  expect(await diagnose(folder.file('outbox.img'))).toMatchObject({ waitingItems: 1 })
})

test('helps, and tells its version', async () => {
  for (const command of ['create', 'produce', 'consume', 'suspend', 'resume', 'diagnostics']) {
    const help = (await ok([command, '--help'])).toString()
    expect(help).toContain('EXAMPLES')
    expect(help).toContain('DEVICE')
  }
  expect((await ok(['--help'])).toString()).toContain('EXIT CODES')
  const { version } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  )
  expect((await ok(['--version'])).toString()).toBe(`${version}\n`)
})

test('runs through a symlink, as npm installs it', () => {
  using folder = temporaryFolder()
  symlinkSync(mainPath, folder.file('sbr'))
  const stdout = execFileSync(process.execPath, [folder.file('sbr'), '--version'])
  expect(stdout.toString()).toMatch(/^\d+\.\d+\.\d+/)
  expect(readFileSync(mainPath, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/)
})

test('an error is printed without control characters, and with a trace only when asked', async () => {
  using folder = temporaryFolder()
  const path = folder.file('no\x1b[31m\u202ering')
  const plain = await sbr(['consume', path])
  expect(plain.code).toBe(1)
  expect(plain.stderr).toBe(
    `sbr: there is no ${folder.path}/no\\x1b[31m\\u202ering; check the path, or make it: ` +
      `sbr create $'${folder.path}/no\\x1b[31m\\xe2\\x80\\xaering' (BLOCK_OPEN)\n`,
  )
  const debug = await sbr(['consume', path], '', { SBR_DEBUG: '1' })
  expect(debug.stderr).toContain('    at ')
  expect(debug.stderr).not.toContain('\x1b')
})

test('makes a ring where the file system has no hard links', async (context) => {
  needs(context, straceProblem())
  using folder = temporaryFolder()
  const path = folder.file('ring')
  const injected = ['-f', '-qq', '-o', '/dev/null', '-e', 'inject=link,linkat:error=EPERM']
  const made = execFileSync('strace', [
    ...[...injected, process.execPath],
    ...[mainPath, 'create', path, '--size', '1MiB'],
  ])
  expect(made.toString()).toContain('made a ring of format 2')
  expect(readdirSync(folder.path)).toEqual(['ring'])
  await ok(['produce', path], 'one\n')
  expect((await ok(['consume', path, '--drain'])).toString()).toBe('one\n')
})
