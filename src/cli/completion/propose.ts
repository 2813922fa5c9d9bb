import { type InputCompletion, proposeCompletions } from '@stricli/core'
import { buildApp } from '../app.ts'

/**
 * Proposals for a command line, one a line: the word, a tab, and its meaning.
 * @param words what follows `sbr`; the last is the one that is being typed, and may be empty
 */
export async function proposalsFor(words: readonly string[]): Promise<string> {
  const isHelp = words[0] === 'help' && words.length > 1
  const inputs = isHelp ? words.slice(1) : words
  const partial = inputs.at(-1) ?? ''
  const app = await buildApp(inputs.length > 1 ? inputs[0] : undefined, () => undefined)
  const { stdout, stderr } = process
  const proposed = await proposeCompletions(app, inputs, { process: { stdout, stderr } })
  const found = proposed.filter((proposal) => isWanted(proposal, partial, isHelp))
  const help = { completion: 'help', brief: 'Print the help of a command' }
  const all = words.length === 1 && help.completion.startsWith(partial) ? [...found, help] : found
  return all.map(({ completion, brief }) => `${completion}\t${brief}\n`).join('')
}

/** Flags are proposed once a hyphen is typed: a path is more likely, and there are many of them. */
function isWanted(
  { kind, completion }: InputCompletion,
  partial: string,
  isHelp: boolean,
): boolean {
  if (kind !== 'argument:flag') return true
  return !isHelp && partial.startsWith('-') && completion !== '--'
}
