import { format1 } from './format1.ts'
import {
  format2,
  format2Hostile,
  format2Overwrite,
  format2OverwriteReader,
  format2OverwriteWork,
  format2Reader,
  format2Work,
} from './format2.ts'
import type { RingUnderTest } from './guarantees.ts'

/** The rings that `--format` names. */
export const RINGS: readonly RingUnderTest[] = [
  format1,
  format2,
  format2Overwrite,
  format2Hostile,
  format2Reader,
  format2OverwriteReader,
  format2Work,
  format2OverwriteWork,
  { ...format1, name: '1-reader', reader: 'entries' },
  { ...format1, name: '1-work', reader: 'work' },
]

/**
 * The ring with a name.
 * @param others what else is known where this is asked
 * @throws {RangeError} there is none
 */
export function ringNamed(name: string, others: readonly string[] = []): RingUnderTest {
  const found = RINGS.find((ring) => ring.name === name)
  if (found === undefined) {
    const known = [...RINGS.map((ring) => ring.name), ...others]
    throw new RangeError(`no format ${name}; known are ${known.join(', ')}`)
  }
  return found
}
