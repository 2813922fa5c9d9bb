import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/** Listens as all commands do, tells of the first signal, and goes on for ever. */
const DEAF = `
  const { stopSignals } = await import(process.argv[1])
  const { signal } = stopSignals()
  signal.addEventListener('abort', () => console.log('told'))
  setInterval(() => undefined, 1000)
  console.log('listens')
`

test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const)(
  'a second %s ends a command at once that does not end by the first',
  async (name) => {
    const module = fileURLToPath(new URL('../../.build/cli/signals.js', import.meta.url))
    const args = ['--input-type=module', '-e', DEAF, module]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    const said = async (): Promise<string> => String((await once(child.stdout, 'data'))[0]).trim()
    expect(await said()).toBe('listens')
    const [told] = [said(), child.kill(name)]
    expect(await told).toBe('told')
    const ended = once(child, 'exit')
    child.kill(name)
    expect(await ended).toEqual([null, name])
  },
)
