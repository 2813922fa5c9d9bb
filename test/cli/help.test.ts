import type { CommandContext, RouteMap } from '@stricli/core'
import { expect, test } from 'vitest'
import { buildApp } from '../../src/cli/app.ts'
import {
  commandsIn,
  documentOf,
  entriesOf,
  isRouteMap,
  kebab,
} from '../../src/cli/help/document.ts'
import { commandMeant, FOREIGN, SUGGESTED } from '../../src/cli/help/foreign-words.ts'
import {
  commandHelp,
  fullHelp,
  groupHelp,
  type HelpView,
  helpColumns,
  overview,
} from '../../src/cli/help/text.ts'
import { wrap, wrapCommand } from '../../src/cli/output/wrap.ts'
import { COMMAND_GROUPS, type Route } from '../../src/cli/routes.ts'

const app = await buildApp(undefined, () => undefined)
const root = groupOf(app.root)
const routes = entriesOf(root)
const commands = routes.flatMap(([name, route]) => commandsIn(`sbr ${name}`, route))
const view = (columns: number): HelpView => ({ columns, heading: (text) => text })

function groupOf(route: Route): RouteMap<CommandContext> {
  if (!isRouteMap(route)) throw new Error('expected a group of commands')
  return route
}

/** All that the help has to say, on a terminal of so many columns. */
function allHelp(columns: number): readonly string[] {
  return [
    overview(root, view(columns)),
    fullHelp(root, view(columns)),
    ...commands.map((command) => commandHelp(command, view(columns))),
    ...routes.flatMap(([name, route]) =>
      isRouteMap(route) ? [groupHelp(`sbr ${name}`, route, view(columns))] : [],
    ),
  ]
}

/** The text without where its lines break. */
function words(text: string): readonly string[] {
  return text.split(/\s+/).filter((word) => word !== '' && word !== '\\')
}

test.each([60, 80, 120])('the help fits %i columns', (columns) => {
  const tooLong = allHelp(columns)
    .flatMap((text) => text.split('\n'))
    .filter((line) => line.length > columns)
  // What has no space cannot be wrapped; 80 columns are enough for all that there is.
  expect(tooLong.filter((line) => columns >= 80 || /\S\s+\S/.test(line.trim()))).toEqual([])
  expect(commands.length).toBeGreaterThanOrEqual(27)
})

test('lines break between words', () => {
  expect(allHelp(60).map(words)).toEqual(allHelp(120).map(words))
})

test('what cannot be wrapped is left whole, and quoted words of a command too', () => {
  expect(wrap('a bb ccc', 4, 2)).toBe('  a\n  bb\n  ccc\n')
  expect(wrap('abcdefgh i', 4)).toBe('abcdefgh\ni\n')
  const command = `  echo '{"a": 1, "b": 2}' | sbr produce ring.img`
  expect(wrapCommand(command, 80)).toBe(`${command}\n`)
  expect(wrapCommand(command, 32)).toBe(
    `  echo '{"a": 1, "b": 2}' | \\\n      sbr produce ring.img\n`,
  )
})

test('a terminal is neither too wide nor too narrow', () => {
  expect([10, 80, 100, 500].map(helpColumns)).toEqual([40, 80, 100, 120])
})

test('the groups have all commands, each once', () => {
  const grouped = COMMAND_GROUPS.flatMap(({ names }) => names)
  expect(grouped).toEqual(routes.map(([name]) => name))
  const text = overview(root, view(80))
  for (const { title, names } of COMMAND_GROUPS) {
    expect(text).toContain(`\n${title}\n  ${names[0]}`)
  }
})

test('values are named, and what has to be given is in the usage', () => {
  const dump = commands.find(({ name }) => name === 'sbr dump')
  expect(dump?.usage).toBe('sbr dump --at OFFSET [FLAGS] DEVICE')
  const create = commands.find(({ name }) => name === 'sbr create')
  expect(create?.flags.map(([flag]) => flag)).toEqual(
    expect.arrayContaining(['--size SIZE', '--format 1|2', '--erase', '-h, --help']),
  )
  const head = commands.find(({ name }) => name === 'sbr head')
  expect(head?.flags.map(([flag]) => flag)).toContain('-n, --count N')
  const unnamed = commands.flatMap(({ flags }) =>
    flags.filter(([flag]) => / (VALUE|ARG)$/.test(flag)),
  )
  expect(unnamed).toEqual([])
  const work = commands.find(({ name }) => name === 'sbr work')
  expect(work?.usage).toBe('sbr work [FLAGS] DEVICE -- COMMAND ARGS')
})

test('a word that is suggested for is no command itself', () => {
  const names = new Set(routes.map(([name]) => name))
  expect(FOREIGN.filter((word) => names.has(word))).toEqual([])
})

test('within a group, a word is answered with a command of that group', () => {
  expect(commandMeant('rm', 'pool')).toBe('pool remove')
  expect(commandMeant('ls', 'pool')).toBe('pool list')
  expect(commandMeant('status', 'lease')).toBe('lease show')
})

test('each command that is suggested exists, with its flags', () => {
  for (const suggestion of SUGGESTED.filter((text) => text !== '--version')) {
    const name = suggestion.replace(/ --.*$/, '')
    const command = commands.find((one) => one.name === `sbr ${name}`)
    expect(command, suggestion).toBeDefined()
    const [flag] = / --.*$/.exec(suggestion) ?? []
    const flags = command?.flags.map(([text]) => text.replace(/^-., /, ''))
    if (flag !== undefined) expect(flags, suggestion).toContain(flag.trim())
  }
})

test('a command is described in the words of its definition', () => {
  expect(kebab('skipDamage')).toBe('skip-damage')
  const verify = routes.find(([name]) => name === 'verify')?.[1]
  if (verify === undefined || isRouteMap(verify)) throw new Error('expected a command')
  const { brief, examples } = documentOf('sbr verify', verify)
  expect(brief).toBe(verify.brief)
  expect(examples.filter(({ kind }) => kind === 'example')).toEqual([
    { kind: 'example', text: '  sbr verify ring.img' },
    { kind: 'example', text: '  sbr verify /dev/vg0/queue --json | jq .findings' },
  ])
})
