import { execFileSync, spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { mainPath, start, temporaryFolder } from '../cli/cli.ts'
import { makeRing } from '../cli/tools.ts'
import { needs } from '../helpers/interop.ts'

/** A terminal of tmux, which ends with the test. */
class Tmux implements Disposable {
  readonly #socket: string

  constructor(socket: string, columns: number, rows: number) {
    this.#socket = socket
    this.run('new-session', '-d', '-x', `${columns}`, '-y', `${rows}`, 'sh')
  }

  run(...args: readonly string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
    })
  }

  keys(...keys: readonly string[]): void {
    this.run('send-keys', ...keys)
  }

  /** The screen, once it is as it should be. */
  async screen(isRight: (text: string) => boolean): Promise<string> {
    for (let tries = 0; ; tries++) {
      const text = this.run('capture-pane', '-p')
      if (isRight(text)) return text
      if (tries === 200) throw new Error(`the screen did not come to that:\n${text}`)
      await sleep(50)
    }
  }

  [Symbol.dispose](): void {
    this.run('kill-server')
  }
}

test('top fills a terminal, follows its size and its keys, and leaves it as it was', async (context) => {
  const isThere = spawnSync('tmux', ['-V']).error === undefined
  needs(context, isThere ? undefined : 'tmux is not installed (Debian: tmux)')
  using folder = temporaryFolder()
  const [one, two] = [folder.file('one'), folder.file('two')]
  await makeRing(one, 'a\nb\nc\n')
  await makeRing(two, 'a\n'.repeat(20))
  using terminal = new Tmux(folder.file('tmux'), 120, 24)
  terminal.keys('echo before', 'Enter')
  await terminal.screen((text) => /^before$/m.test(text))
  terminal.keys(`'${process.execPath}' '${mainPath}' top '${one}' '${two}'; echo ended $?`, 'Enter')
  const first = await terminal.screen((text) => text.includes('Damage'))
  expect(first).toMatch(/2 rings {2}by ring/)
  expect(first).toMatch(/^>!.*one +3 /m)
  expect(first).toContain('Consumer  nobody on this machine')
  terminal.keys('Right')
  await terminal.screen((text) => /by waiting/.test(text) && /^>!.*two +20 /m.test(text))
  terminal.keys('Down')
  await terminal.screen((text) => /^>!.*one +3 /m.test(text))
  terminal.run('resize-window', '-x', '70', '-y', '12')
  await terminal.screen(
    (text) => text.split('\n').every((line) => line.length <= 70) && text.includes('by waiting'),
  )
  terminal.keys('q')
  const last = await terminal.screen((text) => text.includes('ended 0'))
  expect(last).toContain('before')
  expect(last).not.toContain('by waiting')
  terminal.keys('stty -a', 'Enter')
  await terminal.screen((text) => /(^|[ ;])echo( |$)/m.test(text) && / icanon/.test(text))
})

test('top prints a line for each ring without a terminal', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'a\nb\n')
  await using running = start(['top', path])
  await running.printed((stdout) => stdout.includes('waiting: 2 items'))
  running.child.kill('SIGTERM')
  expect((await running.ended).code).toBe(0)
})
