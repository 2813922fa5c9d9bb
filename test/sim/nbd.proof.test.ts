import { expect, test } from 'vitest'
import { explain, explore } from '../../src/sim/explore.ts'
import { NBD_MIXES } from '../../src/sim/nbd/mixes.ts'
import { ringNamed } from '../../src/sim/rings.ts'

const device = 'nbd'

const cases = NBD_MIXES.flatMap(({ name }) => [
  [name, '2', 60],
  [name, '1', 20],
  [name, '2-overwrite', 20],
]) as [mix: string, format: string, seeds: number][]

test.each(cases)('%s: format %s on an NBD server, %i seeds', async (mix, format, seeds) => {
  const ring = ringNamed(format)
  const { failing, counts } = await explore(ring, { device, mix, seeds })
  if (failing !== undefined) throw new Error(await explain(ring, failing, { device, mix }))
  expect(counts.delivered).toBeGreaterThan(2 * seeds)
})
