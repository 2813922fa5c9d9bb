import { deadLetters } from '../../src/codec/dead-letter.ts'
import { ok, type TemporaryFolder } from './cli.ts'
import { makeRing, waiting } from './rings.ts'

/** The path of a new ring in a folder. */
export async function ring(
  folder: TemporaryFolder,
  name = 'journal',
  size?: string,
): Promise<string> {
  const path = folder.file(name)
  await makeRing(path, size)
  return path
}

/** The operations that wait, as text. */
export async function pending(path: string): Promise<string[]> {
  return (await waiting(path)).map(({ bytes }) => bytes.toString())
}

/** The items among the dead letters of a ring, as text. */
export async function letters(path: string): Promise<string[]> {
  const stored = (await waiting(path)).map(({ bytes }) => deadLetters.decode(bytes))
  return (await Promise.all(stored)).map(({ bytes }) => Buffer.from(bytes).toString())
}

/** `journal run` of a shell script. */
export function shell(
  path: string,
  flags: readonly string[],
  script: string,
  ...args: string[]
): string[] {
  return ['journal', 'run', path, ...flags, '--', 'sh', '-c', script, ...args]
}

/** What was told of failures. */
export function events(stderr: string): Record<string, unknown>[] {
  const lines = stderr.trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line)).filter((line) => 'event' in line)
}

/** What `journal status` says. */
export async function status(path: string, ...flags: string[]): Promise<Record<string, unknown>> {
  return JSON.parse((await ok(['journal', 'status', path, '--json', ...flags])).toString())
}
