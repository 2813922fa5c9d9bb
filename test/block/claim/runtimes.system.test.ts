import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FileBlockDevice } from '../../../src/block/file.ts'
import { Producer } from '../../../src/index.ts'
import { needs } from '../../helpers/interop.ts'
import { fetchRuntimes, type Runtime, runtimesProblem } from '../../helpers/runtimes.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const script = fileURLToPath(new URL('runtime-child.mjs', import.meta.url))
/** Rounds in which all of them go for the role at once. */
const ROUNDS = 12

/** A process of one runtime, with koffi or without. */
class Contender {
  readonly name: string
  readonly hasKoffi: boolean
  readonly child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor(runtime: Runtime, hasKoffi: boolean, folder: string, ring: string) {
    this.name = `${runtime.name} ${hasKoffi ? 'with' : 'without'} koffi`
    this.hasKoffi = hasKoffi
    const [program = '', ...flags] = runtime.command
    const args = [...flags, script, folder, ring, this.name]
    this.child = spawn(program, args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface(this.child.stdout)[Symbol.asyncIterator]()
  }

  async do(command: 'koffi' | 'take' | 'giveBack' | 'who'): Promise<unknown> {
    this.child.stdin.write(`${command}\n`)
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`${this.name} ended`)
    return JSON.parse(value)
  }

  /** Whether it can spell, or otherwise reach, the names at which another one listens. */
  reaches(other: Contender): boolean {
    if (this.hasKoffi) return true
    if (this.name.startsWith('node 20')) return !other.name.startsWith('bun')
    return !(this.name.startsWith('bun') && other.name.startsWith('node 20'))
  }
}

const problem = runtimesProblem()
let folder: string
let contenders: Contender[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sbr-runtimes-'))
  if (problem !== undefined) return
  if (!existsSync(join(root, 'dist/index.js'))) {
    throw new Error('this test uses the built package: npm run build')
  }
  const ring = join(folder, 'ring')
  await using device = await FileBlockDevice.create(ring, { sizeBytes: 1 << 17 })
  await Producer.create(device)
  const without = join(folder, 'without')
  cpSync(join(root, 'dist'), join(without, 'dist'), { recursive: true })
  cpSync(join(root, 'package.json'), join(without, 'package.json'))
  const runtimes = await fetchRuntimes()
  contenders = runtimes.flatMap((runtime) => [
    new Contender(runtime, true, root, ring),
    new Contender(runtime, false, without, ring),
  ])
  for (const contender of contenders) expect(await contender.do('koffi')).toBe(contender.hasKoffi)
})

afterAll(async () => {
  for (const { child } of contenders) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  rmSync(folder, { recursive: true, force: true })
})

describe('Node, Bun and Deno, with koffi and without', () => {
  test('exclude each other in any order, and tell who holds the role', async (context) => {
    needs(context, problem)
    for (const first of contenders) {
      expect(await first.do('take'), first.name).toBe('taken')
      for (const second of contenders) {
        if (second === first) continue
        const what = `${first.name}, then ${second.name}`
        const refused = await second.do('take')
        expect(refused, what).toMatchObject({ code: 'BLOCK_CLAIMED' })
        const seen = await second.do('who')
        if (second.reaches(first)) {
          expect(refused, what).toMatchObject({ holder: expect.stringContaining(first.name) })
          expect(seen, what).toMatchObject({ pid: first.child.pid })
        } else {
          expect(seen, what).toBe('nobody')
        }
      }
      await first.do('giveBack')
    }
  })

  test('never get it two at a time when all go for it at once', async (context) => {
    needs(context, problem)
    for (let round = 0; round < ROUNDS; round++) {
      const outcomes = await Promise.all(contenders.map((contender) => contender.do('take')))
      const holders = contenders.filter((_, index) => outcomes[index] === 'taken')
      const names = holders.map(({ name }) => name)
      expect(names.length, names.join(' and ')).toBeLessThan(2)
      const others = outcomes.filter((outcome) => outcome !== 'taken')
      for (const other of others) expect(other).toMatchObject({ code: 'BLOCK_CLAIMED' })
      for (const holder of holders) await holder.do('giveBack')
    }
    // Two may refuse each other, and leave nothing behind.
    for (const contender of contenders) {
      expect(await contender.do('take'), contender.name).toBe('taken')
      await contender.do('giveBack')
    }
  })

  test('hand the role over when a holder is killed', async (context) => {
    needs(context, problem)
    for (let index = 0; index + 1 < contenders.length; index += 2) {
      const dying = contenders[index]
      const next = contenders.at(-1 - index)
      if (dying === undefined || next === undefined || dying === next) continue
      if (dying.child.signalCode !== null || next.child.signalCode !== null) continue
      expect(await dying.do('take'), dying.name).toBe('taken')
      const gone = once(dying.child, 'exit')
      dying.child.kill('SIGKILL')
      await gone
      expect(await next.do('take'), `${dying.name}, then ${next.name}`).toBe('taken')
      await next.do('giveBack')
    }
  })
})
