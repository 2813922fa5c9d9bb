import { Lazy } from '../../util/lazy.ts'
import type { Format } from '../format.ts'
import { format2 } from '../format2/index.ts'

const format1 = new Lazy(async () => (await import('../format1/index.ts')).format1)

/** The code of a format. Format 1 is loaded on demand. */
export async function formatNumbered(format: 1 | 2): Promise<Format> {
  return format === 2 ? format2 : (format1.value ?? (await format1.load()))
}
