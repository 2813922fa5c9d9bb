import { expect, test } from 'vitest'
import { NBD_MIXES } from '../../src/sim/nbd/mixes.ts'
import { explain, explore } from '../../src/sim/ring/explore.ts'
import { ringNamed } from '../../src/sim/ring/rings.ts'

const device = 'nbd'
const mixes = NBD_MIXES.map(({ name }) => name)

/**
 * Tests that a ring of this format keeps its guarantees on an NBD server, whatever befalls that, in so many seeds of
 * each mix.
 */
export function testOnNbd(format: string, seeds: number): void {
  test.each(mixes)(`%s: format ${format} on an NBD server, ${seeds} seeds`, async (mix) => {
    const ring = ringNamed(format)
    const { failing, counts } = await explore(ring, { device, mix, seeds })
    if (failing !== undefined) throw new Error(await explain(ring, failing, { device, mix }))
    expect(counts.delivered).toBeGreaterThan(2 * seeds)
  })
}
