import { execFile, execFileSync, spawn } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { mainPath, numbers, ok, sbr, temporaryFolder } from './cli.ts'
import { makeRing } from './tools.ts'

function scriptProblem(): string | undefined {
  try {
    execFileSync('script', ['--version'], { stdio: 'ignore' })
    return undefined
  } catch {
    return 'there is no script (Debian package bsdutils) to make a terminal'
  }
}

/** A command line for a shell in which `sbr` is ours, on a terminal of 80 columns. */
function sbrLine(line: string): string {
  return `stty cols 80; sbr() { '${process.execPath}' '${mainPath}' "$@"; }; ${line}`
}

/** Runs it, and answers what the terminal shows. */
async function onTerminal(line: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  // In CI, Node takes each terminal for one without colours.
  const { FORCE_COLOR: _, NO_COLOR: __, CI: ___, ...inherited } = process.env
  const { stdout } = await promisify(execFile)('script', ['-qc', sbrLine(line), '/dev/null'], {
    env: { ...inherited, TERM: 'xterm-256color', ...env },
  })
  return stdout.replaceAll('\r\n', '\n')
}

const COLOUR = '\x1b['

test('people read numbers and colours, as far as they want them', async (context) => {
  needs(context, scriptProblem())
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, numbers(1, 12))
  const shown = await onTerminal(`sbr diagnostics '${path}'`)
  expect(shown).toContain('KiB')
  expect(shown).toContain('#10')
  expect(shown).not.toContain(':10 ')
  expect(shown).toMatch(/the oldest pushed (just now|\d+ s ago)/)
  expect(shown).toContain('2 more items (--items N shows more)')
  expect(shown).toContain(COLOUR)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours take no columns
  const lines = shown.replace(/\x1b\[\d+m/g, '').split('\n')
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80)
  // The state is what stays in sight.
  expect(shown.indexOf('position')).toBeLessThan(shown.indexOf('format'))

  expect(await onTerminal(`sbr diagnostics '${path}'`, { NO_COLOR: '1' })).not.toContain(COLOUR)
  const exact = await onTerminal(`sbr diagnostics '${path}' --exact --items 12`, { NO_COLOR: '1' })
  expect(exact).toContain(' bytes')
  expect(exact).toMatch(/\n +\d+:12 +2 {2}12\n\n12 items\n/)
  const piped = await sbr(['diagnostics', path], '', { FORCE_COLOR: '1' })
  expect(piped.stdout.toString()).toContain(COLOUR)
  expect((await ok(['diagnostics', path])).toString()).not.toContain(COLOUR)
})

test('a person is told for what a command waits, and how it ended', async (context) => {
  needs(context, scriptProblem())
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, '')
  const child = spawn('script', ['-qc', sbrLine(`sbr consume '${path}' --count 1`), '/dev/null'])
  let shown = ''
  try {
    for await (const chunk of child.stdout) {
      const waited = shown.includes('waiting')
      shown += String(chunk)
      if (!waited && shown.includes('waiting')) await ok(['produce', path], 'one\n')
    }
  } finally {
    child.kill('SIGKILL')
  }
  expect(shown.replaceAll('\r\n', '\n')).toBe(
    `sbr: ${path} is empty; waiting for items\none\nsbr: ${path}: 1 item consumed\n`,
  )
})

test('what was pushed and consumed is counted at the end', async (context) => {
  needs(context, scriptProblem())
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, '')
  const pushed = await onTerminal(`printf 'one\\ntwo\\n' | sbr produce '${path}'`)
  expect(pushed).toContain(`${path}: 2 items pushed`)
  const consumed = await onTerminal(`sbr consume '${path}' --drain`)
  expect(consumed).toMatch(/^one\ntwo\nsbr: .*: 2 items consumed\n$/)
  expect((await sbr(['produce', path], 'three\n')).stderr).toBe('')
})
