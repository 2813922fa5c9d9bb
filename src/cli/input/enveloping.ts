import type { FlagParametersForType } from '@stricli/core'
import { encodeHead } from '../../codec/envelope.ts'
import { CommandError, EXIT, usageError } from '../errors.ts'
import type { ItemSplitter } from './splitter.ts'

/** Flags of the envelope around each item. */
export interface EnvelopeFlags {
  readonly envelope?: boolean
  readonly header?: readonly Header[]
  readonly key?: string
  readonly id?: string
}

type Header = readonly [name: string, value: string]

export const envelopeFlags: FlagParametersForType<EnvelopeFlags> = {
  envelope: {
    kind: 'boolean',
    brief: 'Put each item into an envelope, with the time and the flags below',
    optional: true,
    withNegated: false,
  },
  header: {
    kind: 'parsed',
    brief: 'A header of the envelopes; may be repeated',
    placeholder: 'NAME=VALUE',
    optional: true,
    variadic: true,
    parse: parseHeader,
  },
  key: {
    kind: 'parsed',
    brief: 'What the items are about',
    placeholder: 'KEY',
    optional: true,
    parse: String,
  },
  id: {
    kind: 'parsed',
    brief: 'Which item it is; the input then has only one',
    placeholder: 'ID',
    optional: true,
    parse: String,
  },
}

function parseHeader(text: string): Header {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  throw usageError(`--header: expected NAME=VALUE, found '${text}'`)
}

/** The fields of a head, except for the time. */
type Fields = Omit<Parameters<typeof encodeHead>[0], 'time'>

/**
 * The head that the flags describe; undefined without `--envelope`.
 * @throws {CommandError} it is invalid, or there is no `--envelope`
 */
export function envelopeOf({ envelope, header = [], key, id }: EnvelopeFlags): Fields | undefined {
  if (envelope !== true) {
    if (header.length === 0 && key === undefined && id === undefined) return undefined
    throw usageError('--header, --key and --id need --envelope')
  }
  const headers = new Map(header)
  if (headers.size < header.length) throw usageError('--header: a name may be given once')
  const fields = {
    headers: Object.fromEntries(headers),
    ...(key !== undefined && { key }),
    ...(id !== undefined && { id }),
  }
  try {
    encodeHead(fields)
  } catch (error) {
    throw usageError(error instanceof Error ? error.message : String(error))
  }
  return fields
}

/** Wraps the items of another splitter in envelopes. */
export class Enveloping implements ItemSplitter {
  readonly #items: ItemSplitter
  readonly #fields: Fields
  #count = 0

  /**
   * @param split makes the other one, for items of at most this many bytes
   * @param maxBytes of an envelope with its item
   */
  constructor(fields: Fields, maxBytes: number, split: (maxBytes: number) => ItemSplitter) {
    this.#fields = fields
    this.#items = split(Math.max(0, maxBytes - this.#head().length))
  }

  feed(chunk: Uint8Array, items: Uint8Array[]): void {
    this.#wrap((bare) => this.#items.feed(chunk, bare), items)
  }

  end(items: Uint8Array[]): void {
    this.#wrap((bare) => this.#items.end(bare), items)
  }

  #wrap(split: (bare: Uint8Array[]) => void, items: Uint8Array[]): void {
    const bare: Uint8Array[] = []
    try {
      split(bare)
    } finally {
      for (const item of bare) items.push(this.#wrapped(item))
    }
  }

  #wrapped(item: Uint8Array): Uint8Array {
    this.#count++
    if (this.#count > 1 && this.#fields.id !== undefined) {
      const message = '--id tells which item it is, and the input has more than one'
      throw new CommandError(EXIT.fault, 'CLI_INPUT', message)
    }
    return Buffer.concat([this.#head(), item])
  }

  #head(): Uint8Array {
    return encodeHead({ ...this.#fields, time: Date.now() })
  }
}
