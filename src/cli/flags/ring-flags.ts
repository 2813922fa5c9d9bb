import type { FlagParametersForType } from '@stricli/core'
import { BLOCK_SIZES } from '../../ring/format2/disk/layout.ts'
import type { RingInspection } from '../../ring/inspection.ts'
import type { CreateOptions } from '../../ring/types.ts'
import { usageError } from '../errors.ts'
import { parseSize } from './size.ts'

/** Flags of a new ring. */
export interface RingFlags {
  readonly format?: '1' | '2'
  readonly blockSize?: number
  readonly name?: string
  readonly onFull?: 'wait' | 'overwrite'
}

export const ringFlags: FlagParametersForType<RingFlags> = {
  format: {
    kind: 'enum',
    values: ['1', '2'],
    brief: 'Format of a new ring (default: 2); the original, in OCaml, knows only 1',
    optional: true,
  },
  blockSize: {
    kind: 'parsed',
    brief: 'Format 2: bytes in a block, the unit of writing: 512 to 65536 (default: 4096)',
    placeholder: 'N',
    optional: true,
    parse: parseBlockSize,
  },
  name: {
    kind: 'parsed',
    brief: 'Format 2: name of the ring, as text on the device',
    placeholder: 'NAME',
    optional: true,
    parse: String,
  },
  onFull: {
    kind: 'enum',
    values: ['wait', 'overwrite'],
    brief:
      'Format 2: what a full ring does: make the producer wait (default), or overwrite its oldest items',
    optional: true,
  },
}

function parseBlockSize(text: string): number {
  const bytes = parseSize(text)
  if (BLOCK_SIZES.some((size) => size === bytes)) return bytes
  throw usageError(`expected a power of two from 512 to 65536, found ${text}`)
}

/**
 * The options for the library.
 * @throws {CommandError} a flag that format 1 does not have
 */
export function ringOptions(flags: RingFlags): CreateOptions & { readonly format: 1 | 2 } {
  const { format, blockSize, name, onFull } = flags
  if (format === '1' && [blockSize, name, onFull].some((flag) => flag !== undefined)) {
    throw usageError('--block-size, --name and --on-full are for format 2')
  }
  return {
    format: format === '1' ? 1 : 2,
    ...(blockSize !== undefined && { blockSize }),
    ...(name !== undefined && { name }),
    ...(onFull !== undefined && { onFull }),
  }
}

/**
 * Checks that an existing ring agrees with the flags.
 * @throws {CommandError} it differs
 */
export function checkRingFlags(flags: RingFlags, state: RingInspection, device: string): void {
  const { format, ring } = state
  const checks: readonly (readonly [flag: string, wanted: unknown, found: unknown])[] = [
    ['--format', flags.format, String(format)],
    ['--block-size', flags.blockSize, ring?.blockSize],
    ['--name', flags.name, ring?.name],
    ['--on-full', flags.onFull, ring?.onFull],
  ]
  for (const [flag, wanted, found] of checks) {
    if (wanted === undefined || wanted === found) continue
    const is =
      found === undefined
        ? 'is of format 1, which has none'
        : `has ${shown(found)}, not ${shown(wanted)}`
    throw usageError(
      `${flag}: the ring on ${device} ${is}; it was not changed. Omit ${flag} to use it`,
    )
  }
}

/** A name may be empty. */
function shown(value: unknown): string {
  return value === '' ? 'none' : String(value)
}
