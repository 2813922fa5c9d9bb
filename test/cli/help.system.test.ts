import { expect, test } from 'vitest'
import { ok, sbr } from './cli.ts'

test('without a command there is a short list, and wrong usage', async () => {
  const { code, stdout } = await sbr([])
  expect(code).toBe(2)
  expect(stdout.toString()).toContain('EVERYDAY\n  create ')
  expect(stdout.toString()).not.toContain('EXIT CODES')
  expect((await ok(['help'])).toString()).toContain('EXIT CODES')
})

test('help is a word as well as a flag', async () => {
  for (const command of [['create'], ['lease'], ['lease', 'show']]) {
    const byFlag = (await ok([...command, '--help'])).toString()
    expect(byFlag).toContain(`USAGE\n  sbr ${command.join(' ')}`)
    expect((await ok(['help', ...command])).toString()).toBe(byFlag)
    expect((await ok([...command, '-h'])).toString()).toBe(byFlag)
  }
})

test.each([
  [['push'], 'sbr produce'],
  [['pop'], 'sbr consume'],
  [['status'], 'sbr diagnostics'],
  [['info', 'ring.img'], 'sbr diagnostics'],
  [['LS'], 'sbr head'],
  [['rm', 'ring.img'], 'sbr device erase'],
  [['pause'], 'sbr suspend'],
  [['journal', 'ls'], 'sbr journal status'],
  [['help', 'lease', 'fence'], 'sbr lease break'],
  [['diagnostic'], 'diagnostics'],
  [['device', 'inof'], 'info'],
])('%j is answered with %s', async (args, command) => {
  const { code, stderr } = await sbr(args)
  expect(code).toBe(2)
  expect(stderr).toContain(
    `there is no command ${args.filter((word) => /^(?!help|lease|ring|journal|device)/.test(word))[0]}`,
  )
  expect(stderr).toContain(`; did you mean ${command}?`)
})

test('a mistake leads to the help of its command', async () => {
  expect((await sbr(['create'])).stderr).toContain('(see sbr help create)')
  expect((await sbr(['lease', 'show', '--nonsense'])).stderr).toContain('(see sbr help lease show)')
  expect((await sbr(['lease', 'nonsense'])).stderr).toContain('(see sbr help lease)')
})
