import { generateHelpTextForAllCommands } from '@stricli/core'
import { describe, expect, test } from 'vitest'
import { buildApp } from '../../../../src/cli/app.ts'
import { COMMANDS, type HostileCommand } from './commands.ts'
import { type CommandEnd, check } from './run.ts'

test('all commands that take a device are run', async () => {
  const app = await buildApp(undefined, () => undefined)
  const all = generateHelpTextForAllCommands(app)
    .map(([command]) => command.replace('sbr ', ''))
    .filter((command) => command !== 'completion')
  expect([...new Set(COMMANDS.map(({ name }) => name))].sort()).toEqual(all.sort())
})

describe('how a command ends', () => {
  const named = (wanted: string): HostileCommand =>
    COMMANDS.find(({ name }) => name === wanted) as HostileCommand
  const ended = (fields: Partial<CommandEnd> & { readonly out?: string }): CommandEnd => ({
    ...{ code: 0, signal: null, stderr: '', residentBytes: 1, ms: 1 },
    stdout: Buffer.from(fields.out ?? ''),
    ...fields,
  })
  const error = 'sbr: sector 1 is damaged (RING_CORRUPT)\n'
  const jsonError = '{"error":{"code":"RING_CORRUPT","message":"damaged"}}\n'

  test.each<[string, Partial<CommandEnd>, string?]>([
    ['done', {}],
    ['a notice', { stderr: 'sbr: item 3 is damaged\n' }],
    ['an error', { code: 1, stderr: error }],
    ['a notice and an error', { code: 1, stderr: `sbr: item 3 is damaged\n${error}` }],
  ])('%s is right', (_, fields) => {
    expect(() => check(ended(fields), named('verify'), false)).not.toThrow()
  })

  test('an error as JSON is right', () => {
    expect(() => check(ended({ code: 1, stderr: jsonError }), named('verify'), true)).not.toThrow()
  })

  test('an exit code of its own is right', () => {
    const stderr = 'sbr: ring.img is empty now (CLI_EMPTY)\n'
    expect(() => check(ended({ code: 3, stderr }), named('consume'), false)).not.toThrow()
  })

  test('prints items that are no JSON, but not with --json', () => {
    const lines = COMMANDS.find(({ prints }) => prints === 'lines') as HostileCommand
    const stdout = Buffer.from('$?\n')
    expect(() => check(ended({ stdout }), lines, false)).not.toThrow()
    expect(() => check(ended({ stdout }), lines, true)).toThrow('no JSON')
  })

  test.each([
    ['before it listened', {}],
    ['after it was done', { stderr: error }],
  ])('by our SIGTERM %s is right, if it was to be stopped', (_, fields) => {
    const killed = ended({ ...fields, code: null, signal: 'SIGTERM' })
    expect(() => check(killed, named('migrate'), false)).not.toThrow()
    expect(() => check(killed, named('dump'), false)).toThrow('does not document')
    const half = ended({ code: null, signal: 'SIGTERM', out: 'half' })
    expect(() => check(half, named('migrate'), false)).toThrow('does not document')
  })

  test.each<[string, string, Partial<CommandEnd> & { readonly out?: string }, boolean?]>([
    ['does not end within', 'SIGKILL', { code: null, signal: 'SIGKILL' }],
    ['does not document', 'another signal', { code: null, signal: 'SIGABRT' }],
    ['does not document', 'the exit code of another command', { code: 3, stderr: error }],
    ['no line of sbr', 'a stack trace', { code: 1, stderr: `${error}    at run (main.js:1:1)\n` }],
    ['no line of sbr', 'a message of Node', { code: 1, stderr: 'FATAL ERROR: no memory\n' }],
    ['more than one error', 'two errors', { code: 1, stderr: error + error }],
    ['says more after', 'a line after it', { code: 1, stderr: `${error}sbr: bye\n` }],
    ['cuts a line off', 'half a line', { code: 1, stderr: 'sbr: dam' }],
    ['has an error', 'an error though all was done', { stderr: error }],
    ['without an error', 'silence', { code: 1 }],
    ['of no type', 'a slip', { code: 1, stderr: 'sbr: x is undefined (CLI_INTERNAL)\n' }],
    ['bytes', 'much memory', { residentBytes: 2 ** 30 }],
    ['no JSON', 'an error as text', { code: 1, stderr: error }, true],
    ['without a code', 'an error without code', { code: 1, stderr: '{"error":{}}\n' }, true],
    ['no JSON', 'a result as text', { out: 'sound\n' }, true],
  ])('%s: the harness reports %s', (problem, _, fields, json = false) => {
    expect(() => check(ended(fields), named('verify'), json)).toThrow(problem)
  })
})
