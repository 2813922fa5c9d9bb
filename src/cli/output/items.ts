import { formatPosition, itemNumber } from '../../ring/shared/position-text.ts'
import type { PoppedItem } from '../../ring/types.ts'
import { headJson, headText } from '../../text/envelope-head.ts'
import { isoTime, safeBytes, safeJson } from '../../text/render.ts'
import { usageError } from '../errors.ts'
import { encodeFrame } from '../input/frames.ts'
import type { ShownItem } from './envelope.ts'
import type { Output } from './output.ts'
import { TextWriter } from './text-writer.ts'

/** The output of `--json` for items, for the help of the commands that print them. */
export const ITEM_LINES = `With --json: one object per item and line, with "position" (EPOCH:ITEM in format 2, bytes in format 1; the end of the
item), "number" and "pushedAt" (format 2), "bytes" and "hex"; with --envelope also "time", "id" and "key", if there are
such, and "headers".`

/**
 * How items are printed: a line each, each after its length, as bare bytes, or as an object on a line, with its
 * position. This file is the only place where the bytes of an item become output.
 */
export type ItemForm = 'lines' | 'frames' | 'raw' | 'json'

/** Bytes of buffered items after which they are written. */
const ENOUGH = 1 << 16
/** Buffered items after which they are written: they may be empty. */
const MANY = 1000
/** Bytes of an item that are turned into one piece of text. */
const HEX_BYTES = 1 << 20
const NEWLINE = Uint8Array.of(0x0a)

/** Items as a command prints them without `--json`. Only a terminal gets them escaped. */
function encodeItems(
  items: readonly ShownItem[],
  form: Exclude<ItemForm, 'json'>,
  terminal: boolean,
): Uint8Array | string {
  if (terminal) return items.map((shown) => `${start(shown)}${safeBytes(shown.item)}\n`).join('')
  if (form === 'frames') return Buffer.concat(items.flatMap(({ item }) => encodeFrame(item)))
  if (form === 'raw') return Buffer.concat(items.map(({ item }) => item))
  return Buffer.concat(items.flatMap((shown) => [Buffer.from(start(shown)), shown.item, NEWLINE]))
}

/** The text before an item on its line. */
function start({ head }: ShownItem): string {
  return head === undefined ? '' : `${headText(head)}\t`
}

/** Writes an item as an object, piece by piece: the fields, its length, and its bytes in hexadecimal. */
export async function writeItemJson(
  writer: TextWriter,
  fields: object,
  item: Uint8Array,
): Promise<void> {
  const json = safeJson({ ...fields, bytes: item.length })
  await writer.add(`${json.slice(0, -1)},"hex":"`)
  for (let at = 0; at < item.length; at += HEX_BYTES) {
    await writer.add(hex(item.subarray(at, at + HEX_BYTES)))
  }
  await writer.add('"}')
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')
}

/** Position, number and push time of an item; the last two are known in format 2 only. */
export function itemFields(
  { position, pushedAt }: Omit<PoppedItem, 'item'>,
  format: 1 | 2,
): object {
  return {
    position: formatPosition(position, format),
    number: itemNumber(position, format),
    pushedAt: pushedAt === undefined ? undefined : isoTime(pushedAt),
  }
}

/**
 * The format of items without `--json`, as the flags demand.
 * @throws {CommandError} frames would go to a terminal
 */
export function framesOrLines(frames: boolean | undefined, { kind }: Output): 'lines' | 'frames' {
  if (frames !== true) return 'lines'
  if (kind !== 'terminal') return 'frames'
  throw usageError('--frames prints binary data, and standard output is a terminal: redirect it')
}

/** Prints items one after the other, in few writes. */
export class ItemPrinter {
  readonly #output: Output
  readonly #form: ItemForm
  readonly #format: 1 | 2
  readonly #text: TextWriter
  #items: ShownItem[] = []
  #bytes = 0

  /** @param format the ring's, for positions */
  constructor(output: Output, form: ItemForm, format: 1 | 2) {
    this.#output = output
    this.#form = form
    this.#format = format
    this.#text = new TextWriter(output)
  }

  async add(shown: ShownItem): Promise<void> {
    if (this.#form === 'json') {
      const head = shown.head && headJson(shown.head)
      await writeItemJson(this.#text, { ...itemFields(shown, this.#format), ...head }, shown.item)
      await this.#text.add('\n')
      return
    }
    this.#items.push(shown)
    this.#bytes += shown.item.length
    if (this.#bytes >= ENOUGH || this.#items.length >= MANY) await this.end()
  }

  /** Writes what is buffered. */
  async end(): Promise<void> {
    await this.#text.end()
    const items = this.#items
    this.#items = []
    this.#bytes = 0
    if (this.#form === 'json' || items.length === 0) return
    await this.#output.write(encodeItems(items, this.#form, this.#output.kind === 'terminal'))
  }
}
