import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FileBlockDevice } from '../../../src/block/file/index.ts'
import { Producer } from '../../../src/index.ts'
import { needs } from '../../helpers/interop.ts'
import { fetchRuntimes } from '../../helpers/runtimes.ts'
import { Contender, copyPackage } from './contender.ts'

/** Rounds in which all of them go for the role at once. */
const ROUNDS = 12

/** Whether one can spell, or otherwise reach, the names at which another one listens. */
function reaches(asker: Contender, other: Contender): boolean {
  if (asker.hasKoffi) return true
  if (asker.name.startsWith('node 20')) return !other.name.startsWith('bun')
  return !(asker.name.startsWith('bun') && other.name.startsWith('node 20'))
}

let problem: string | undefined
let folder: string
let contenders: Contender[] = []

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sbr-runtimes-'))
  const { runtimes, ...fetched } = await fetchRuntimes()
  problem = fetched.problem
  if (problem !== undefined) return
  const ring = join(folder, 'ring')
  await using device = await FileBlockDevice.create(ring, { sizeBytes: 1 << 17 })
  await Producer.create(device)
  const copies = copyPackage(folder)
  contenders = runtimes.flatMap(({ name, command }) =>
    (['with', 'without'] as const).map(
      (koffi) =>
        new Contender({ name: `${name} ${koffi} koffi`, command, folder: copies[koffi], ring }),
    ),
  )
  for (const contender of contenders) expect(await contender.do('koffi')).toBe(contender.hasKoffi)
})

afterAll(async () => {
  for (const contender of contenders) await contender.kill()
  rmSync(folder, { recursive: true, force: true })
})

describe('Node, Bun and Deno, with koffi and without', () => {
  test('exclude each other in any order, and name the holder', async (context) => {
    needs(context, problem)
    for (const first of contenders) {
      expect(await first.do('take'), first.name).toBe('taken')
      for (const second of contenders) {
        if (second === first) continue
        const what = `${first.name}, then ${second.name}`
        const refused = await second.do('take')
        expect(refused, what).toMatchObject({ code: 'BLOCK_CLAIMED' })
        const seen = await second.do('who')
        if (reaches(second, first)) {
          expect(refused, what).toMatchObject({ holder: expect.stringContaining(first.name) })
          expect(seen, what).toMatchObject({ pid: first.child.pid })
        } else {
          expect(seen, what).toBe('nobody')
        }
      }
      await first.do('release')
    }
  })

  test('never hold the role two at a time when all claim it at once', async (context) => {
    needs(context, problem)
    for (let round = 0; round < ROUNDS; round++) {
      const outcomes = await Promise.all(contenders.map((contender) => contender.do('take')))
      const holders = contenders.filter((_, index) => outcomes[index] === 'taken')
      const names = holders.map(({ name }) => name)
      expect(names.length, names.join(' and ')).toBeLessThan(2)
      const others = outcomes.filter((outcome) => outcome !== 'taken')
      for (const other of others) expect(other).toMatchObject({ code: 'BLOCK_CLAIMED' })
      for (const holder of holders) await holder.do('release')
    }
    // Two may refuse each other, and leave nothing behind.
    for (const contender of contenders) {
      expect(await contender.do('take'), contender.name).toBe('taken')
      await contender.do('release')
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
      await dying.kill()
      expect(await next.do('take'), `${dying.name}, then ${next.name}`).toBe('taken')
      await next.do('release')
    }
  })
})
