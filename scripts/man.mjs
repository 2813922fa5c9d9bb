// The manual page of the command line, of what its commands say of themselves: a build writes it into dist/.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './built.mjs'

/** @param compiled the folder of the compiled sources */
export async function manualPage(compiled) {
  // The page is the same wherever it is built.
  delete process.env.SBR_DEVICE
  const [{ buildApp }, document, { COMMAND_GROUPS }] = await Promise.all(
    ['app', 'help/document', 'routes'].map((name) => import(join(compiled, 'cli', `${name}.js`))),
  )
  const { root: all } = await buildApp(undefined, () => undefined)
  const routes = new Map(document.entriesOf(all))
  const groups = COMMAND_GROUPS.map(({ title, names }) => ({
    title,
    commands: names.flatMap((name) => document.commandsIn(`sbr ${name}`, routes.get(name))),
  }))
  const common = commonFlags(groups.flatMap(({ commands }) => commands))
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const lines = [
    '.\\" Made by a build, of what the commands say of themselves.',
    // No hyphens: what is written here is typed.
    '.nr HY 0',
    `.TH SBR 1 "" "shared-block-ring ${version}" "User Commands"`,
    ...['.ad l', '.SH NAME', `sbr \\- ${escaped(all.brief)}`],
    ...['.SH SYNOPSIS', '.B sbr', '.I COMMAND', escaped('[FLAGS] DEVICE')],
    '.SH DESCRIPTION',
    ...blocks(document.blocksOf(all.fullDescription)),
    ...groups.flatMap(({ title, commands }) => [
      `.SH ${title}`,
      ...commands.flatMap((command) => commandLines(command, common)),
    ]),
    '.SH COMMON FLAGS',
    'Flags of most commands.',
    ...tagged(common),
  ]
  return `${lines.join('\n')}\n`
}

/** Flags that most commands have with one meaning: they are described once. */
function commonFlags(commands) {
  const counts = new Map()
  for (const { flags } of commands) {
    for (const flag of flags) {
      const key = JSON.stringify(flag)
      counts.set(key, (counts.get(key) ?? 0) + 1)
    }
  }
  const most = [...counts].filter(([, count]) => count > commands.length / 2)
  return most.map(([key]) => JSON.parse(key))
}

function commandLines({ usage, description, examples, args, flags }, common) {
  const described = new Set(common.map((flag) => JSON.stringify(flag)))
  return [
    `.SS ${escaped(usage)}`,
    ...blocks(description),
    ...tagged([...args, ...flags.filter((flag) => !described.has(JSON.stringify(flag)))]),
    ...(examples.length === 0 ? [] : ['.PP', ...blocks(examples)]),
  ]
}

function tagged(table) {
  return table.flatMap(([name, meaning]) => ['.TP', `.B ${escaped(name)}`, escaped(meaning)])
}

/** Examples are shown as they are; what comes before them ends with a line that shows them so. */
function blocks(all) {
  const lines = []
  let literal = false
  for (const block of all) {
    if (literal !== (block.kind === 'example')) lines.push(literal ? '.EE' : '.EX')
    literal = block.kind === 'example'
    lines.push(...blockLines(block))
  }
  return literal ? [...lines, '.EE'] : lines
}

function blockLines({ kind, text }) {
  if (kind === 'space') return ['.PP']
  if (kind === 'heading') return ['.PP', `.B ${escaped(text)}`]
  if (kind === 'item') return ['.IP \\(bu 2', escaped(text)]
  return [escaped(text)]
}

/** Text that means itself to roff. */
function escaped(text) {
  const plain = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq')
  return /^[.]/.test(plain) ? `\\&${plain}` : plain
}
