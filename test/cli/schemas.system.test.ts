import { readFileSync } from 'node:fs'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'
import { path as documented } from '../../scripts/schemas.mjs'
import { sbr, start, temporaryFolder } from './cli.ts'
import { damage } from './tools.ts'

const { $defs } = JSON.parse(readFileSync(documented, 'utf8')) as {
  readonly $defs: Readonly<Record<string, Parameters<typeof z.fromJSONSchema>[0]>>
}
const folder = temporaryFolder()
afterAll(() => folder[Symbol.dispose]())
const [ring, other, dead] = ['ring', 'other', 'dead'].map(folder.file)

/** Whose output was seen. */
const seen = new Set<string>()

/** Checks lines of output against the documented schema. */
function check(name: string, text: string): void {
  const schema = z.fromJSONSchema($defs[name] ?? false)
  for (const line of text.split('\n').filter(Boolean)) {
    const found = schema.safeParse(JSON.parse(line))
    expect(found.error?.issues, `${name}: ${line}`).toBeUndefined()
    seen.add(name)
  }
}

/** Runs a command with `--json`, and checks all that it prints. */
async function run(name: string, args: readonly (string | undefined)[], input = ''): Promise<void> {
  const [first, ...rest] = args.map((arg) => arg ?? '')
  const { stdout, stderr } = await sbr([...name.split(' '), '--json', first ?? '', ...rest], input)
  check(name, stdout.toString())
  // Whose output is a command's own has nothing to show.
  if (stdout.length === 0 && 'not' in Object($defs[name])) seen.add(name)
  for (const line of stderr.split('\n').filter(Boolean)) {
    check('error' in JSON.parse(line) ? 'error' : 'event', line)
  }
}

test('what the commands print is as documented', async () => {
  await run('create', [ring, '--size', '1M'])
  await run('create', [other, '--size', '1M', '--format', '1'])
  await run('produce', [ring, '--envelope', '--key', 'k', '--header', 'a=b'], 'one\ntwo\n')
  await run('produce', [ring, '--lease', 'host-a'], 'three\nfour\nfive\nsix\n')
  await run('head', [ring])
  await run('head', [ring, '--envelope', '-n', '2'])
  await run('peek', [ring])
  await run('tail', [ring])
  await run('move', [ring, other, '--count', '2'])
  for (const path of [ring, other]) {
    await run('diagnostics', [path])
    await run('verify', [path])
    await run('repair', [path])
    await run('draw', [path])
    await run('dump', [path, '--at', '0'])
    await run('journal status', [path])
  }
  await run('check', [
    ring,
    other,
    folder.file('none'),
    '--max-age',
    '1ms',
    '--max-lease-age',
    '1ms',
  ])
  await run('metrics', [ring, other])
  {
    await using page = start(['serve', ring ?? '', '--json', '--listen', '127.0.0.1:0'])
    await page.printed((stdout) => stdout.includes('\n'))
    page.child.kill('SIGTERM')
    check('serve', (await page.ended).stdout.toString())
    await using looking = start(['top', ring ?? '', folder.file('none'), '--json'])
    await looking.printed((stdout) => stdout.toString().split('\n').length > 4)
    looking.child.kill('SIGTERM')
    check('top', (await looking.ended).stdout.toString())
    await using producer = start(['produce', ring ?? ''])
    await run('suspend', [ring])
    await run('resume', [ring])
    producer.child.stdin.end()
    await producer.ended
  }
  await run('lease show', [ring])
  await run('lease break', [ring, '--role', 'producer'])
  await run('device info', [ring])
  await run('device compare', [ring, other])
  await run('device copy', [ring, folder.file('copy')])
  await run('device compare', [ring, folder.file('copy')])
  await run('migrate', [folder.file('copy'), folder.file('new'), '--size', '1M'])
  await run('device erase', [folder.file('copy'), '--force'])
  await run('device info', [folder.file('copy')])
  await run('bench', [folder.path, '--time', '1ms', '--size', '4MiB'])
  const pool = folder.file('pool')
  await run('pool create', [pool, '--size', '8M'])
  await run('pool add', [pool, 'orders', '--size', '1M'])
  await run('pool list', [pool])
  await run('pool grow', [pool])
  await run('pool remove', [pool, 'orders'])
  await run('device info', [pool])
  await run('journal push', [folder.file('new')], 'seven\n')
  await run('journal run', [folder.file('new'), '--drain', '--', 'true'])
})

test('what they print of damage and failures is as documented', async () => {
  damage(ring ?? '', readFileSync(ring ?? '').indexOf('four'))
  for (const command of ['verify', 'repair', 'diagnostics', 'draw', 'consume']) {
    await run(command, [ring, ...(command === 'draw' ? ['--verify'] : [])])
  }
  await run('consume', [ring, '--count', '1', '--skip-damage'])
  await run('create', [dead, '--size', '1M'])
  const failing = ['--attempts', '2', '--retry-interval', '1ms', '--dead-letter', dead]
  await run('work', [ring, '--drain', ...failing, '--', 'false'])
  await run('consume', [dead, '--envelope', '--drain'])
  await run('suspend', [ring, '--timeout', '10ms'])
})

test('all schemas were put to the test', () => {
  expect(Object.keys($defs).filter((name) => !seen.has(name))).toEqual([])
})
