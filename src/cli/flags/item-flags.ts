import type { FlagParametersForType, TypedFlagParameter } from '@stricli/core'
import { type CommonFlags, commonFlags, type ItemFlags, maxItem } from './flags.ts'
import { parseCount } from './size.ts'

/** Flags of the commands that print items without taking a role. */
export interface ShownItemFlags extends CommonFlags, Pick<ItemFlags, 'maxItem'> {
  readonly frames?: boolean
}

/** The number of items shown by default. */
export const SHOWN_ITEMS = 10

export const shownItemFlags: FlagParametersForType<ShownItemFlags> = {
  frames: {
    kind: 'boolean',
    brief: 'Print items of any bytes, each after its length as 4 bytes, little-endian',
    optional: true,
    withNegated: false,
  },
  maxItem,
  ...commonFlags,
}

export const shownItems: TypedFlagParameter<number | undefined> = {
  kind: 'parsed',
  brief: `Show this many items (default: ${SHOWN_ITEMS})`,
  placeholder: 'N',
  optional: true,
  parse: parseCount,
}
