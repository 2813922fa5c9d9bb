import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FileBlockDevice } from '../../../src/block/file/index.ts'
import { runChild, startChild } from '../../helpers/child.ts'
import { needs } from '../../helpers/interop.ts'

let directory: string
let path: string
let device: FileBlockDevice

beforeEach(async () => {
  directory = fs.mkdtempSync(join(tmpdir(), 'sbr-claim-'))
  path = join(directory, 'ring.img')
  device = await FileBlockDevice.create(path, { sizeBytes: 8192 })
})

afterEach(async () => {
  await device.disconnect()
  fs.rmSync(directory, { recursive: true })
})

describe('two processes', () => {
  test('the second is refused, and told who holds the role', async () => {
    await using child = startChild('claim', path, { role: 'producer', holder: 'the first' })
    expect(await child.said()).toEqual({ claimed: true })
    const refused = await device
      .claim('producer', { holder: 'the second' })
      .catch((e: unknown) => e)
    expect(refused).toMatchObject({
      code: 'BLOCK_CLAIMED',
      details: { device: path, holder: 'the first' },
    })
    expect(String(refused)).toContain(`process ${child.process.pid}`)
    await (await device.claim('consumer', { holder: 'the second' })).release()
    await using third = startChild('claim', path, { role: 'producer', holder: 'the third' })
    expect(await third.said()).toMatchObject({ code: 'BLOCK_CLAIMED' })
  })

  test('a claim ends when its process is killed', async () => {
    for (let round = 0; round < 3; round++) {
      await using child = startChild('claim', path, { role: 'producer', holder: 'the first' })
      expect(await child.said()).toEqual({ claimed: true })
      await child.kill()
      await (await device.claim('producer', { holder: 'the second' })).release()
    }
  })

  test('a claim ends with release and with disconnect, and a new one works at once', async () => {
    for (let round = 0; round < 20; round++) {
      await (await device.claim('producer', { holder: 'again' })).release()
    }
    await device.claim('producer', { holder: 'this one' })
    await device.disconnect()
    await using child = startChild('claim', path, { role: 'producer', holder: 'the other' })
    expect(await child.said()).toEqual({ claimed: true })
  })

  test('ask each other and answer', async () => {
    expect(await device.ask('producer', 'nobody there?')).toBe(undefined)
    await using child = startChild('claim', path, { role: 'producer', holder: 'the first' })
    await child.said()
    const request = `"quoted" \u0001 ${'é'.repeat(400)}`
    expect(await device.ask('producer', request)).toBe(`the first heard ${request}`)
    const many = Array.from({ length: 4 }, (_, index) => device.ask('producer', `${index}`))
    expect(await Promise.all(many)).toEqual([0, 1, 2, 3].map((index) => `the first heard ${index}`))
    await child.kill()
    expect(await device.ask('producer', 'still there?')).toBe(undefined)
  })

  test('neither a claim nor a watch keeps a process alive', async () => {
    const { code, output } = await runChild('idle', path)
    expect({ code, output }).toEqual({ code: 0, output: '{"claimed":true}\n' })
  })

  test('another container, which does not see the socket, is refused by the lock', async (context) => {
    const inNamespace = ['unshare', '--net']
    needs(context, namespaceProblem())
    await using child = startChild(
      'claim',
      path,
      { role: 'producer', holder: 'inside' },
      inNamespace,
    )
    expect(await child.said()).toEqual({ claimed: true })
    expect(await device.ask('producer', 'can you hear me?')).toBe(undefined)
    const refused = await device.claim('producer', { holder: 'outside' }).catch((e: unknown) => e)
    expect(refused).toMatchObject({
      code: 'BLOCK_CLAIMED',
      details: { holder: expect.stringContaining('another container') },
    })
    await (await device.claim('consumer', { holder: 'outside' })).release()
    await child.kill()
    const claim = await device.claim('producer', { holder: 'outside' })
    await using late = startChild(
      'claim',
      path,
      { role: 'producer', holder: 'inside' },
      inNamespace,
    )
    expect(await late.said()).toMatchObject({ code: 'BLOCK_CLAIMED' })
    await claim.release()
  })
})

function namespaceProblem(): string | undefined {
  try {
    execFileSync('unshare', ['--net', 'true'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'unshare --net (Debian package util-linux, run as root) does not work'
  }
}
