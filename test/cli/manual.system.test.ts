import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { dist } from '../../scripts/built.mjs'
import { buildApp } from '../../src/cli/app.ts'
import { commandsIn, entriesOf, isRouteMap } from '../../src/cli/help/document.ts'
import { needs } from '../helpers/interop.ts'

function manProblem(): string | undefined {
  const { status } = spawnSync('man', ['--version'], { stdio: 'ignore' })
  return status === 0 ? undefined : 'the Debian package man-db is not installed'
}

test('man shows the manual without a warning, with all commands and flags', async (context) => {
  needs(context, manProblem())
  const args = ['--warnings', '-l', join(dist, 'sbr.1')]
  const env = { ...process.env, MANWIDTH: '80', LC_ALL: 'C.UTF-8' }
  const { stdout, stderr, status } = spawnSync('man', args, { env, encoding: 'utf8' })
  expect([status, stderr]).toEqual([0, ''])
  const { root } = await buildApp(undefined, () => undefined)
  if (!isRouteMap(root)) throw new Error('expected several commands')
  const commands = entriesOf(root).flatMap(([name, route]) => commandsIn(`sbr ${name}`, route))
  for (const { usage, flags, brief } of commands) {
    expect(stdout).toContain(`   ${usage}\n`)
    for (const [flag] of flags) expect(stdout, brief).toContain(`\n       ${flag}`)
  }
  expect(stdout).toContain('SBR_DEVICE: the DEVICE')
})

test('npm installs it', () => {
  const said = execFileSync('npm', ['pkg', 'get', 'man'], { encoding: 'utf8' })
  expect(JSON.parse(said)).toBe('./dist/sbr.1')
})
