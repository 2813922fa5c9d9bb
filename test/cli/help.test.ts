import { generateHelpTextForAllCommands } from '@stricli/core'
import { expect, test } from 'vitest'
import { buildApp } from '../../src/cli/app.ts'

/** What a line has at most. */
const COLUMNS = 120

test('what is written about a command fits a line', async () => {
  const app = await buildApp(undefined, () => undefined)
  const commands = generateHelpTextForAllCommands(app)
  const tooLong = commands.flatMap(([command, help]) =>
    help
      .split('\n')
      // The library makes a line of all flags, and one for each; those are indented.
      .filter((line) => !line.startsWith(' '))
      .filter((line) => line.length > COLUMNS)
      .map((line) => [command, line]),
  )
  expect(tooLong).toEqual([])
  expect(commands).toHaveLength(27)
})
