import { expect, test } from 'vitest'
import { dashesAdvice, dashesMissing } from '../../src/cli/flags/dashes.ts'

test('a command without -- is answered with the line to type', () => {
  expect(dashesMissing('work', ['ring.img', 'cat', '-n', 'a b'])).toBe(
    "the command to run and its flags stand after --, so type: sbr work ring.img -- cat -n 'a b'",
  )
  expect(dashesAdvice('journal run', ['journal', 'run', 'ring.img', 'cat', '-n'])).toContain(
    'type: sbr journal run ring.img -- cat -n',
  )
})

test('among flags, the line is told in general', () => {
  expect(dashesAdvice('work', ['work', 'ring.img', '--drain', 'cat', '-n'])).toContain(
    'type: sbr work DEVICE -- COMMAND ARGS',
  )
})

test('only commands that run another are advised, and only without --', () => {
  expect(dashesAdvice('work', ['work', 'ring.img', '--no', '--', 'cat'])).toBeUndefined()
  expect(dashesAdvice('consume', ['consume', 'ring.img', '--no'])).toBeUndefined()
  expect(dashesAdvice(undefined, ['--no'])).toBeUndefined()
})
