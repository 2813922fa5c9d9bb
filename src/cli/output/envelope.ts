import type { TypedFlagParameter } from '@stricli/core'
import { decodeHead, type EnvelopeHead } from '../../codec/envelope.ts'
import { isCodecError } from '../../errors.ts'
import { formatPosition } from '../../ring/shared/position-text.ts'
import type { PoppedItem } from '../../ring/types.ts'
import { CommandError, EXIT, usageError } from '../errors.ts'
import { reasonOf } from './notices.ts'

/** An item as it is printed: with the head of its envelope, if that was opened. */
export interface ShownItem extends PoppedItem {
  readonly head?: EnvelopeHead
}

/** Separates an item from its head. */
export type Opener = (popped: PoppedItem, format: 1 | 2) => ShownItem

export const envelopeFlag: TypedFlagParameter<boolean | undefined> = {
  kind: 'boolean',
  brief: 'Items are envelopes: print time, id, key and headers, a tab, and the item within',
  optional: true,
  withNegated: false,
}

/**
 * Opens items as the flags demand.
 * @throws {CommandError} frames have no place for a head
 */
export function openerOf(flags: {
  readonly envelope?: boolean
  readonly frames?: boolean
}): Opener {
  if (flags.envelope !== true) return (popped) => popped
  if (flags.frames !== true) return openEnvelope
  throw usageError('--frames prints items as they are, and --envelope opens them: choose one')
}

/**
 * Opens the envelope of an item.
 * @throws {CommandError} it is none
 */
function openEnvelope(popped: PoppedItem, format: 1 | 2): ShownItem {
  try {
    const { bytes, head } = decodeHead(popped.item)
    return { ...popped, item: popped.item.subarray(bytes.length), head }
  } catch (error) {
    const position = formatPosition(popped.position, format)
    throw new CommandError(
      EXIT.fault,
      isCodecError(error) ? error.code : 'CODEC_DECODE',
      `the item that ends at position ${position} is no envelope: ${reasonOf(error)}. Without --envelope items are printed as they are`,
      { position },
      error,
    )
  }
}
