import type { Command, CommandContext, RouteMap } from '@stricli/core'
import type { Route } from '../routes.ts'

/** A part of a description: lines of any length, which are wrapped when they are shown. */
export type Block =
  | { readonly kind: 'heading' | 'paragraph' | 'item' | 'example'; readonly text: string }
  | { readonly kind: 'space' }

/** A flag or an argument, as it is written, and its meaning. */
export type Described = readonly [name: string, meaning: string]

/** The text of a command in the help and the manual. */
export interface CommandDocument {
  readonly name: string
  readonly brief: string
  /** The command line, beginning with the name. */
  readonly usage: string
  readonly description: readonly Block[]
  /** With their heading. They come last, because the end of the help stays visible. */
  readonly examples: readonly Block[]
  readonly args: readonly Described[]
  readonly flags: readonly Described[]
}

type Parameters = Command<CommandContext>['parameters']
type Flag = NonNullable<Parameters['flags']>[string]
type Positional = NonNullable<Parameters['positional']>

export function isRouteMap(route: Route): route is RouteMap<CommandContext> {
  return 'getAllEntries' in route
}

/** The commands of a group, with their names. */
export function entriesOf(group: RouteMap<CommandContext>): readonly (readonly [string, Route])[] {
  return group
    .getAllEntries()
    .map(({ name, target }) => [name['convert-camel-to-kebab'], target] as const)
}

/** All commands in a route, those of groups one by one. */
export function commandsIn(name: string, route: Route): readonly CommandDocument[] {
  if (!isRouteMap(route)) return [documentOf(name, route)]
  return entriesOf(route).flatMap(([word, target]) => commandsIn(`${name} ${word}`, target))
}

/** @param name as it is typed: `sbr lease show` */
export function documentOf(
  name: string,
  { brief, fullDescription, parameters }: Command<CommandContext>,
): CommandDocument {
  const flags = Object.entries(parameters.flags ?? {})
  const aliases = Object.entries(parameters.aliases ?? {})
  const required = flags
    .filter(([, flag]) => isRequired(flag))
    .map(([flag, of]) => flagText(flag, of))
  const { positional } = parameters
  return {
    name,
    brief,
    usage: [name, ...required, '[FLAGS]', ...argsUsage(positional)].join(' '),
    ...splitExamples(blocksOf(fullDescription ?? brief)),
    args: argsOf(positional),
    flags: [
      ...flags.map(([flag, of]): Described => {
        const letters = aliases
          .filter(([, long]) => long === flag)
          .map(([letter]) => `-${letter}, `)
        return [`${letters.join('')}${flagText(flag, of)}`, of.brief]
      }),
      ['-h, --help', 'Print this help'],
    ],
  }
}

function splitExamples(blocks: readonly Block[]): {
  readonly description: readonly Block[]
  readonly examples: readonly Block[]
} {
  const at = blocks.findIndex((block) => block.kind === 'heading' && block.text === 'EXAMPLES')
  if (at < 0) return { description: blocks, examples: [] }
  const before = blocks.slice(0, at)
  if (before.at(-1)?.kind === 'space') before.pop()
  return { description: before, examples: blocks.slice(at) }
}

function isRequired(flag: Flag): boolean {
  return flag.optional !== true && !('default' in flag && flag.default !== undefined)
}

/** `--size SIZE`, `--format 1|2`, `--drain`. */
function flagText(name: string, flag: Flag): string {
  const long = `--${kebab(name)}`
  if (flag.kind === 'enum') return `${long} ${flag.values.join('|')}`
  if (flag.kind === 'parsed') return `${long} ${flag.placeholder ?? 'VALUE'}`
  return long
}

export function kebab(name: string): string {
  return name.replace(/[A-Z]/g, '-$&').toLowerCase()
}

function argsUsage(positional: Positional | undefined): readonly string[] {
  if (positional === undefined) return []
  if (positional.kind === 'tuple') {
    return positional.parameters.map(({ placeholder = 'ARG', optional, default: standard }) =>
      optional === true || standard !== undefined ? `[${placeholder}]` : placeholder,
    )
  }
  const { placeholder = 'ARG' } = positional.parameter
  // Each of several words stands for itself.
  return [placeholder.includes(' ') ? placeholder : `${placeholder}...`]
}

function argsOf(positional: Positional | undefined): readonly Described[] {
  if (positional === undefined) return []
  const all = positional.kind === 'tuple' ? positional.parameters : [positional.parameter]
  return all.map(({ placeholder = 'ARG', brief }) => [placeholder, brief])
}

/**
 * The blocks of a description. Lines belong together until an empty one, except for headings (capitals alone), items
 * (which begin with a hyphen) and examples (which are indented).
 */
export function blocksOf(text: string): readonly Block[] {
  const blocks: Block[] = []
  let open: { readonly kind: 'paragraph' | 'item'; text: string } | undefined
  const close = (): void => {
    if (open !== undefined) blocks.push(open)
    open = undefined
  }
  for (const line of text.split('\n')) {
    if (line === '') {
      close()
      blocks.push({ kind: 'space' })
    } else if (/^[A-Z][A-Z ]+$/.test(line)) {
      close()
      blocks.push({ kind: 'heading', text: line })
    } else if (line.startsWith('- ')) {
      close()
      open = { kind: 'item', text: line.slice(2) }
    } else if (open !== undefined) {
      open.text += ` ${line.trim()}`
    } else if (line.startsWith('  ')) {
      blocks.push({ kind: 'example', text: line })
    } else {
      open = { kind: 'paragraph', text: line }
    }
  }
  close()
  return blocks
}
