import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { jsonError, ok, sbr, start, temporaryFolder } from './cli.ts'
import { makeRing } from './tools.ts'

/** What `lease show --json` says of the producer's role. */
async function producerLease(path: string): Promise<Record<string, unknown>> {
  return JSON.parse((await ok(['lease', 'show', path, '--json'])).toString()).producer
}

// At the same time, because most of it is waiting for leases to run out.

test.concurrent('a role that is leased is refused to others until the lease is released or broken', {
  timeout: 120_000,
}, async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  const { uuid } = JSON.parse((await ok(['lease', 'show', path, '--json'])).toString())
  expect((await ok(['lease', 'show', path])).toString()).toBe(
    `producer  never leased\nconsumer  never leased\nring      ${uuid}\n`,
  )
  await ok(['produce', path, '--lease', 'host-a'], 'two\n')
  expect(await producerLease(path)).toMatchObject({ status: 'free', owner: 'host-a', epoch: 1 })
  expect((await ok(['consume', path, '--drain'])).toString()).toBe('one\ntwo\n')

  await using killed = start(['consume', path, '--lease', 'host-b', '--lease-timeout', '10s'])
  await ok(['produce', path], 'three\n')
  await killed.printed((stdout) => stdout.includes('three\n'))
  killed.child.kill('SIGKILL')
  await killed.ended
  const refused = await sbr(['consume', path, '--drain', '--json'])
  expect([refused.code, jsonError(refused)]).toMatchObject([
    1,
    { code: 'RING_LEASED', holder: 'host-b' },
  ])
  expect(jsonError(refused)['message']).toContain(
    `if that host is gone for good: sbr lease break ${path} --role consumer`,
  )
  for (const command of [
    ['create', path, '--erase', '--force'],
    ['repair', path, '--write'],
  ]) {
    const kept = await sbr([...command, '--json'])
    expect([kept.code, jsonError(kept)]).toMatchObject([1, { code: 'RING_LEASED' }])
  }
  expect((await ok(['lease', 'show', path])).toString()).toContain('consumer  held by "host-b"')

  const copy = folder.file('copy')
  const copied = await sbr(['device', 'copy', path, copy])
  expect([copied.code, copied.stderr]).toMatchObject([
    0,
    expect.stringContaining(
      `${copy} has the leases of "host-b" too; no host renews them there. Before a host takes such a role of the copy: ` +
        `sbr lease break ${copy} --role consumer; `,
    ),
  ])
  const shown = (await ok(['lease', 'show', copy])).toString()
  expect(shown).toContain(`ring      ${uuid}; on a copy of the device the holder may be running`)
  expect(shown).toContain('consumer  held by "host-b"')

  const broken = (await ok(['lease', 'break', path, '--role', 'consumer'])).toString()
  expect(broken).toContain(`broken: the consumer's role was held by "host-b"`)
  const again = (await ok(['lease', 'break', path, '--role', 'consumer'])).toString()
  expect(again).toContain("nothing to break: the consumer's role was free; last held by")
  expect(again).toContain('released, or broken by another host, at')
  await ok(['produce', path], 'four\n')
  expect((await ok(['consume', path, '--drain'])).toString()).toMatch(/four\n$/)
})

test.concurrent('a silent host is watched, cut off by the command, and taken over from', {
  timeout: 120_000,
}, async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  await using killed = start(['consume', path, '--lease', 'host-b', '--lease-timeout', '15s'])
  await killed.printed((stdout) => stdout.includes('one\n'))
  killed.child.kill('SIGKILL')
  await killed.ended
  await ok(['produce', path], 'two\n')
  const next = ['consume', path, '--drain', '--lease', 'host-c']
  const [program, out] = [folder.file('fence.cjs'), folder.file('fenced')]
  writeFileSync(
    program,
    "require('fs').writeFileSync(process.argv[2], process.argv.slice(3) + process.env.SBR_OWNER)",
  )
  const fence = `${process.execPath} ${program} ${out}`
  const taken = await sbr([...next, '--fence', fence])
  expect([taken.code, taken.stdout.toString()]).toMatchObject([0, expect.stringMatching(/two\n$/)])
  expect(taken.stderr).toMatch(/last renewed at [-0-9T:.]+Z by its clock; watching for 19 s/)
  expect(taken.stderr).toContain('If this is a copy of the device that it works on, stop this')
  expect(taken.stderr).toContain(`cutting it off: ${fence} -- "host-b"`)
  expect(taken.stderr).toContain('"host-b" is cut off; taking over its role')
  expect(readFileSync(out, 'utf8')).toBe('--,host-bhost-b')
})

test.concurrent('what keeps a role from being taken over is told, and a fence that is not there at once', {
  timeout: 120_000,
}, async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  await using killed = start(['consume', path, '--lease', 'host-b', '--lease-timeout', '5s'])
  await killed.printed((stdout) => stdout.includes('one\n'))
  killed.child.kill('SIGKILL')
  await killed.ended
  const next = ['consume', path, '--drain', '--lease', 'host-c']
  const unfenced = await sbr(next)
  expect(unfenced.code).toBe(1)
  expect(unfenced.stderr).toContain(
    `only to a fence or, if it is gone for good, after sbr lease break ${path} --role consumer`,
  )
  for (const command of [folder.file('none'), folder.path, 'sbr-no-such-command']) {
    const absent = await sbr([...next, '--fence', `${command} off`, '--json'])
    // Nothing is said of watching.
    expect([absent.code, jsonError(absent)]).toMatchObject([1, { code: 'CLI_COMMAND', command }])
  }
  const failed = await sbr([...next, '--fence', `${process.execPath} ${folder.file('none')}`])
  expect(failed.code).toBe(1)
  expect(failed.stderr).toMatch(/could not be fenced: .*exit code 1/s)
})

test.concurrent('flags that do not go together, and rings without leases, are wrong usage', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await ok(['create', path, '--size', '64KiB', '--format', '1'])
  expect((await sbr(['produce', path, '--lease', 'a', '--lease-timeout', '1s'])).stderr).toBe(
    'sbr: --lease-timeout is from 5s to 60m, not 1s (CLI_USAGE)\n',
  )
  for (const flags of [
    ['--unfenced'],
    ['--lease', 'a;b'],
    ['--lease=--help'],
    ['--lease', 'a', '--unfenced', '--fence', 'true'],
    ['--lease', 'a', '--lease-timeout', '1s'],
    ['--lease', 'a'],
  ]) {
    expect((await sbr(['produce', path, ...flags])).code, flags.join(' ')).toBe(2)
    expect((await sbr(['consume', path, ...flags])).code, flags.join(' ')).toBe(2)
  }
  expect((await sbr(['lease', 'show', path])).code).toBe(2)
  expect((await sbr(['lease', 'break', path, '--role', 'producer'])).code).toBe(2)
})
