import { expect, test } from 'vitest'
import { deviceAndRest } from '../../src/cli/flags/flags.ts'
import { diagnose, ok, sbr, temporaryFolder } from './cli.ts'

test('the device and the names come from the environment', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring.img')
  const env = { SBR_DEVICE: path, SBR_QUEUE: 'orders', SBR_CLIENT: 'shop' }
  for (const args of [
    ['create', '--size', '1M'],
    ['produce'],
    ['check'],
    ['metrics'],
    ['verify'],
  ]) {
    expect(await sbr(args, 'one\n', env)).toMatchObject({ code: 0, stderr: '' })
  }
  const { producer } = await diagnose(path)
  expect(producer).toMatchObject({ text: expect.stringContaining('orders') })
  expect(producer).toMatchObject({ text: expect.stringContaining('shop') })
  const work = await sbr(['work', '--drain', '--', 'cat'], '', env)
  expect([work.code, work.stdout.toString(), work.stderr]).toEqual([0, 'one', ''])
})

test('what is given wins, and an empty variable is none', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring.img')
  await ok(['create', path, '--size', '1M'])
  const env = { SBR_DEVICE: folder.file('none.img'), SBR_QUEUE: 'orders', SBR_CLIENT: '' }
  expect((await sbr(['produce', path, '--queue', 'mails'], 'one\n', env)).code).toBe(0)
  const { producer } = await diagnose(path)
  expect(producer).toMatchObject({ text: expect.stringContaining('mails') })
  expect(producer).toMatchObject({ text: expect.stringContaining('unknown') })
  const work = await sbr(['work', path, '--drain', '--', 'cat'], '', env)
  expect([work.code, work.stdout.toString()]).toEqual([0, 'one'])
  const none = await sbr(['consume'], '', { SBR_DEVICE: '' })
  expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('DEVICE')])
})

test('what is erased, and each of two devices, is named', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring.img')
  await ok(['create', path, '--size', '1M'])
  const env = { SBR_DEVICE: path }
  for (const args of [
    ['device', 'erase', '--force'],
    ['move', path],
    ['device', 'compare', path],
  ]) {
    expect([args, (await sbr(args, '', env)).code]).toEqual([args, 2])
  }
  expect(await diagnose(path)).toMatchObject({ format: 2 })
})

test('where the device is before the command, it is not taken from elsewhere', () => {
  expect(deviceAndRest(['a', 'cat'], ['work', 'a', '--', 'cat'])).toEqual(['a', 'cat'])
  expect(deviceAndRest(['a', 'cat'], ['work', 'a', 'cat'])).toEqual(['a', 'cat'])
})
