import type { CommandContext, RouteMap } from '@stricli/core'
import { rows, wrap, wrapCommand } from '../output/wrap.ts'
import { COMMAND_GROUPS } from '../routes.ts'
import {
  type Block,
  blocksOf,
  type CommandDocument,
  type Described,
  entriesOf,
} from './document.ts'

/** The layout of the help. */
export interface HelpView {
  readonly columns: number
  /** A heading as the terminal shows it. */
  readonly heading: (text: string) => string
}

/** Longer lines are hard to read; shorter than the least, too. */
const MOST_COLUMNS = 120
const LEAST_COLUMNS = 40

/** The width of the help on a terminal of this many columns. */
export function helpColumns(columns: number): number {
  return Math.min(MOST_COLUMNS, Math.max(LEAST_COLUMNS, columns))
}

/** The help of a command. */
export function commandHelp(document: CommandDocument, view: HelpView): string {
  const { usage, description, examples, args, flags } = document
  return [
    section('USAGE', wrap(usage, view.columns, 6, '  '), view),
    `\n${blocksText(description, view)}`,
    args.length === 0 ? '' : `\n${section('ARGUMENTS', rows(args, view.columns), view)}`,
    `\n${section('FLAGS', rows(flags, view.columns), view)}`,
    examples.length === 0 ? '' : `\n${blocksText(examples, view)}`,
  ].join('')
}

/** The help of a group of commands, such as `sbr lease`. */
export function groupHelp(name: string, group: RouteMap<CommandContext>, view: HelpView): string {
  const { columns } = view
  const commands = entriesOf(group).map(([word, { brief }]): Described => [word, brief])
  return [
    section('USAGE', wrap(`${name} COMMAND [FLAGS]`, columns, 6, '  '), view),
    `\n${blocksText(blocksOf(group.fullDescription ?? group.brief), view)}`,
    `\n${section('COMMANDS', rows(commands, columns), view)}`,
    `\n${wrap(`The flags of a command: ${name} COMMAND --help`, columns)}`,
  ].join('')
}

/** The commands in groups: what `sbr` alone prints. */
export function overview(root: RouteMap<CommandContext>, view: HelpView): string {
  const { columns } = view
  const briefs = new Map(entriesOf(root).map(([name, { brief }]) => [name, brief] as const))
  // Aligned across the groups.
  const widest = Math.max(...[...briefs.keys()].map((name) => name.length))
  const groups = COMMAND_GROUPS.map(({ title, names }) => {
    const table = names.map((name): Described => [name.padEnd(widest), briefs.get(name) ?? ''])
    return `\n${section(title, rows(table, columns), view)}`
  })
  return [
    wrap(root.brief, columns),
    `\n${section('USAGE', '  sbr COMMAND [FLAGS] DEVICE\n', view)}`,
    ...groups,
    `\n${wrap('More about all of them: sbr --help. About one: sbr help COMMAND.', columns)}`,
  ].join('')
}

/** The overview, and the text for all commands. */
export function fullHelp(root: RouteMap<CommandContext>, view: HelpView): string {
  return `${overview(root, view)}\n${blocksText(blocksOf(root.fullDescription ?? ''), view)}`
}

function blocksText(blocks: readonly Block[], view: HelpView): string {
  return blocks.map((block) => blockText(block, view)).join('')
}

function blockText(block: Block, { columns, heading }: HelpView): string {
  switch (block.kind) {
    case 'space':
      return '\n'
    case 'heading':
      return `${heading(block.text)}\n`
    case 'paragraph':
      return wrap(block.text, columns)
    case 'item':
      return wrap(block.text, columns, 2, '- ')
    case 'example':
      return wrapCommand(block.text, columns)
  }
}

function section(title: string, text: string, { heading }: HelpView): string {
  return `${heading(title)}\n${text}`
}
