import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { describe, expect, type TestContext, test } from 'vitest'
import { startFake } from '../helpers/fake-nbd.ts'
import { needs } from '../helpers/interop.ts'
import { type NbdServer, serverProblem, startNbdkit } from '../helpers/nbd-servers.ts'
import { sbr, start, type TemporaryFolder, temporaryFolder } from './cli.ts'

/** An export of zeroes. */
async function serve(
  context: TestContext,
  folder: TemporaryFolder,
  size = '1M',
): Promise<NbdServer> {
  needs(context, serverProblem('nbdkit'))
  return startNbdkit(folder.path, ['memory', size])
}

test('a ring on an export is made, filled, looked at and emptied', async (context) => {
  using folder = temporaryFolder()
  await using server = await serve(context, folder)
  const uri = server.uri()
  expect(await sbr(['create', uri])).toMatchObject({ code: 0, stderr: '' })
  await using producing = start(['produce', uri])
  producing.child.stdin.end('one\ntwo\n')
  expect(await producing.ended).toMatchObject({ code: 0, stderr: '' })
  const looked = await sbr(['diagnostics', uri, '--json'])
  expect(looked.stdout.toString()).toContain(Buffer.from('one').toString('hex'))
  const consumed = await sbr(['consume', uri, '--drain'])
  expect(consumed.stdout.toString()).toBe('one\ntwo\n')
})

test('a second consumer on this machine is refused', async (context) => {
  using folder = temporaryFolder()
  await using server = await serve(context, folder)
  await sbr(['create', server.uri()])
  await using consuming = start(['consume', server.uri(), '--client', 'first'])
  await using producing = start(['produce', server.uri()])
  producing.child.stdin.end('one\n')
  await consuming.printed((stdout) => stdout.length > 0)
  const second = await sbr(['consume', server.uri(), '--drain'])
  expect(second.code).toBe(1)
  expect(second.stderr).toContain('first')
})

test('device commands take exports', async (context) => {
  using folder = temporaryFolder()
  await using server = await serve(context, folder)
  const uri = server.uri()
  const info = JSON.parse((await sbr(['device', 'info', uri, '--json'])).stdout.toString())
  expect(info).toMatchObject({ kind: 'nbd', sizeBytes: 1 << 20, durability: 'fua', unusedBytes: 0 })
  expect(info).not.toHaveProperty('direct')
  const file = folder.file('disk')
  writeFileSync(file, new Uint8Array(1 << 20).fill(3))
  const copied = await sbr(['device', 'copy', pathToFileURL(file).href, uri, '--verify'])
  expect(copied).toMatchObject({ code: 0, stderr: '' })
  expect((await sbr(['device', 'compare', uri, file])).code).toBe(0)
  expect((await sbr(['device', 'copy', uri, uri, '--force'])).code).toBe(2)
})

test('an export is measured: only read if it holds anything, else zeroes again', async (context) => {
  using folder = temporaryFolder()
  await using server = await serve(context, folder, '6M')
  const uri = server.uri()
  const measure = async (): Promise<unknown> => {
    const { code, stdout, stderr } = await sbr(['bench', uri, '--time', '1ms', '--json'])
    expect([code, stderr]).toEqual([0, ''])
    return JSON.parse(stdout.toString())
  }
  const figures = expect.arrayContaining([expect.objectContaining({ what: 'push', items: 1 })])
  const blank = await measure()
  expect(blank).toMatchObject({ device: uri, measured: 'blank device', durability: 'fua' })
  expect(blank).toMatchObject({ rings: [{ figures }] })
  expect(blank).not.toHaveProperty('direct')
  const zeroes = folder.file('zeroes')
  writeFileSync(zeroes, new Uint8Array(6 << 20))
  expect((await sbr(['device', 'compare', uri, zeroes])).code).toBe(0)
  await sbr(['create', uri])
  expect(await measure()).toMatchObject({
    measured: 'reads only',
    holds: { kind: 'ring' },
    rings: [],
  })
  const text = await sbr(['bench', uri, '--time', '1ms'])
  expect(text.stdout.toString()).toContain('one at a time, through a server')
})

describe('--request-timeout', () => {
  test.each([
    'create URI',
    'produce URI',
    'consume URI',
    'suspend URI',
    'resume URI',
    'diagnostics URI',
    'verify URI',
    'repair URI',
    'dump URI --at 0',
    'migrate URI FILE',
    'bench URI',
    'journal push URI',
    'journal status URI',
    'journal run URI -- true',
    'lease show URI',
    'lease break URI --role producer',
    'device info URI',
    'device copy URI FILE',
    'device compare URI FILE',
    'device erase URI',
  ])('%s', async (command) => {
    using folder = temporaryFolder()
    const path = folder.file('fake.sock')
    // It agrees to everything, and answers no request.
    await using _server = await startFake(path, async (peer) => {
      await peer.agree()
      for (;;) await peer.request()
    })
    const file = folder.file('disk')
    writeFileSync(file, new Uint8Array(1 << 20))
    const words: Readonly<Record<string, readonly string[]>> = {
      URI: [`nbd+unix:///?socket=${path}`, '--request-timeout', '50ms', '--json'],
      FILE: [file],
    }
    await using running = start(command.split(' ').flatMap((word) => words[word] ?? [word]))
    running.child.stdin.end()
    const { code, stderr } = await running.ended
    expect({ code, error: JSON.parse(stderr) }).toMatchObject({
      code: 1,
      error: { error: { code: 'BLOCK_TIMEOUT' } },
    })
  })

  test.each(['0', '-1', 'soon'])('%s is wrong usage', async (time) => {
    const { code, stderr } = await sbr(['verify', 'nbd://host/x', '--request-timeout', time])
    expect(code).toBe(2)
    expect(stderr).toContain('expected a time')
  })
})

test('an invalid URI is wrong usage, and an unreachable server a fault', async () => {
  const wrong = await sbr(['consume', 'nbd://host/x?no=1'])
  expect(wrong.code).toBe(2)
  expect(wrong.stderr).toContain("the parameter 'no' is not known")
  const absent = await sbr(['consume', 'nbd+unix:///?socket=/none', '--json'])
  expect(absent.code).toBe(1)
  expect(JSON.parse(absent.stderr)).toMatchObject({ error: { code: 'BLOCK_OPEN' } })
})
