import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { mainPath, ok, sbr, type TemporaryFolder, temporaryFolder } from './cli.ts'

/** A folder with a file to complete, and with `sbr` in its bin/. */
function shellFolder(): TemporaryFolder {
  const folder = temporaryFolder()
  writeFileSync(folder.file('ring.img'), '')
  writeFileSync(folder.file('sbr'), `#!/bin/sh\nexec '${process.execPath}' '${mainPath}' "$@"\n`)
  chmodSync(folder.file('sbr'), 0o755)
  return folder
}

function missing(shell: string): string | undefined {
  try {
    execFileSync(shell, ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return `the Debian package ${shell} is not installed`
  }
}

/** What a script prints, line by line. */
function lines(shell: string, flags: readonly string[], script: string, cwd: string): string[] {
  const env = { ...process.env, PATH: `${cwd}:${process.env['PATH']}`, HOME: cwd }
  const printed = execFileSync(shell, [...flags, '-c', script], { cwd, env, encoding: 'utf8' })
  return printed.trimEnd().split('\n')
}

/** Command lines, of which the last word is completed, and the words that are proposed. */
const CASES: readonly (readonly [line: readonly string[], proposed: readonly string[]])[] = [
  [['prod'], ['produce']],
  [
    ['create', '--fo'],
    ['--force', '--format'],
  ],
  [
    ['create', '--format', ''],
    ['1', '2'],
  ],
  [
    ['lease', ''],
    ['show', 'break'],
  ],
  [['help', 'lea'], ['lease']],
]

test('bash completes what sbr proposes', (context) => {
  needs(context, missing('bash'))
  using folder = shellFolder()
  const script = `eval "$(sbr completion bash)"
    try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sbr sbr; echo "\${COMPREPLY[*]}"; }
    ${CASES.map(([line]) => `try sbr ${line.map((word) => `'${word}'`).join(' ')}`).join('\n')}
    try sbr create rin`
  expect(lines('bash', ['--norc'], script, folder.path)).toEqual(
    CASES.map(([, proposed]) => proposed.join(' ')),
  )
  // Where nothing is proposed, bash completes paths by itself.
  const how = lines(
    'bash',
    ['--norc'],
    'eval "$(sbr completion bash)"; complete -p sbr',
    folder.path,
  )
  expect(how).toEqual(['complete -o bashdefault -o default -F _sbr sbr'])
})

test('zsh completes what sbr proposes, and paths', (context) => {
  needs(context, missing('zsh'))
  using folder = shellFolder()
  // Only a terminal has zsh's own functions; these print what they get.
  const script = `compdef() { : }
    _describe() { print -r -- \${\${(@P)3}%%:*} }
    _files() { print paths }
    eval "$(sbr completion zsh)"
    try() { words=("$@"); CURRENT=$#; _sbr }
    ${CASES.map(([line]) => `try sbr ${line.map((word) => `'${word}'`).join(' ')}`).join('\n')}
    try sbr create rin`
  expect(lines('zsh', ['-f'], script, folder.path)).toEqual([
    ...CASES.map(([, proposed]) => proposed.join(' ')),
    'paths',
  ])
})

test('fish completes what sbr proposes, and paths', (context) => {
  needs(context, missing('fish'))
  using folder = shellFolder()
  const complete = (line: string): string =>
    `complete -C 'sbr ${line}' | string replace -r '\\t.*' '' | string join ' '`
  const script = `sbr completion fish | source
    ${CASES.map(([line]) => complete(line.join(' '))).join('\n')}
    ${complete('create rin')}`
  const completed = lines('fish', ['--no-config'], `${script}; true`, folder.path)
  // It sorts them.
  expect(completed.map((words) => words.split(' ').sort())).toEqual([
    ...CASES.map(([, proposed]) => [...proposed].sort()),
    ['ring.img'],
  ])
})

test('proposals say what they mean, and no flag is proposed before a hyphen', async () => {
  const first = (await ok(['__complete', ''])).toString()
  expect(first).toMatch(/^create\tMake a ring/)
  expect(first).toMatch(/\nhelp\t.*\n$/)
  expect(first).not.toContain('--')
  expect((await ok(['__complete', 'head', '--h'])).toString()).toBe('--help\tPrint this help\n')
  for (const nothing of [['nonsense', ''], ['create', ''], ['help', 'create', '-'], []])
    expect(await sbr(['__complete', ...nothing])).toMatchObject({ code: 0, stderr: '' })
  expect((await sbr(['completion', 'tcsh'])).code).toBe(2)
})
