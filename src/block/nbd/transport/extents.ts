import { isRefusedHint } from '../errors.ts'
import type { ExportSettings } from '../handshake/export-settings.ts'
import { EXTENT_FLAG } from '../protocol.ts'
import type { Status } from './exchange.ts'

/** Requests the block status at an offset; the reply covers at least one byte. */
export type AskStatus = (offset: number) => Promise<Status>

/** The first sector at or after `sector` that may hold data, or undefined if there is none before `end`. */
export async function findMapped(
  ask: AskStatus,
  sectorSize: number,
  sector: number,
  end: number,
): Promise<number | undefined> {
  for (let offset = sector * sectorSize; offset < end; ) {
    const status = await ask(offset)
    if (!isHole(status)) return Math.floor(offset / sectorSize)
    offset += status.length
  }
  return undefined
}

/**
 * The first sector at or after `sector` that lies entirely in a hole, or undefined if there is none before `end`.
 * Holes need not be whole sectors, and one hole may span several replies.
 */
export async function findUnmapped(
  ask: AskStatus,
  sectorSize: number,
  sector: number,
  end: number,
): Promise<number | undefined> {
  let candidate = sector
  for (let offset = sector * sectorSize; offset < end; ) {
    const status = await ask(offset)
    offset += status.length
    if (!isHole(status)) candidate = Math.ceil(offset / sectorSize)
    else if (offset >= (candidate + 1) * sectorSize) return candidate
  }
  return undefined
}

/** The most requests of one search in flight. */
const MOST_AHEAD = 16

type Limits = Pick<ExportSettings, 'rangeBytes' | 'minimumBytes' | 'maxStatusBytes'>

/**
 * Requests block status. It is a hint: where the server reports nothing, there may be data. Other requests have a
 * size limit, but this one carries no data; the server's limit is found by trying.
 */
export class StatusRequests {
  readonly #limits: Limits
  readonly #send: (offset: number, length: number) => Promise<Status>
  #maxBytes: number

  constructor(limits: Limits, send: (offset: number, length: number) => Promise<Status>) {
    this.#limits = limits
    this.#maxBytes = limits.maxStatusBytes
    this.#send = send
  }

  /** The range of one request, in bytes. */
  get bytes(): number {
    return this.#maxBytes
  }

  /**
   * The status at an offset, and its extent.
   * @throws {NbdFault} except for a server that replies with an error
   */
  async ask(offset: number, end: number): Promise<Status> {
    const { minimumBytes, rangeBytes } = this.#limits
    // A reply may have ended within a block, where a server accepts no request.
    const before = offset % minimumBytes
    const start = offset - before
    for (;;) {
      const length = Math.min(this.#maxBytes, end - start)
      try {
        const status = await this.#send(start, length)
        if (status.length > before) return { ...status, length: status.length - before }
        return { length: minimumBytes - before, flags: 0 }
      } catch (fault) {
        if (!isRefusedHint(fault)) throw fault
        if (length <= rangeBytes) return { length: length - before, flags: 0 }
        this.#maxBytes = rangeBytes
      }
    }
  }
}

/**
 * Requests of one search, which continues where a reply ends. While replies cover the whole request, as in a large
 * hole, the next requests are sent ahead: otherwise a long search would wait for a distant server each time.
 */
export class StatusSearch {
  readonly #requests: StatusRequests
  readonly #end: number
  readonly #ahead = new Map<number, Promise<Status>>()
  #width = 0

  constructor(requests: StatusRequests, end: number) {
    this.#requests = requests
    this.#end = end
  }

  /** As `StatusRequests.ask`. */
  async ask(offset: number): Promise<Status> {
    const step = this.#requests.bytes
    for (let ahead = 1; ahead <= this.#width; ahead++) this.#send(offset + (ahead - 1) * step)
    const answer = this.#ahead.get(offset) ?? this.#requests.ask(offset, this.#end)
    this.#ahead.delete(offset)
    const status = await answer
    this.#width = status.length < step ? 0 : Math.min(Math.max(2, 2 * this.#width), MOST_AHEAD)
    return status
  }

  /** Resolves when no request is in flight. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#ahead.values())
  }

  #send(offset: number): void {
    if (offset >= this.#end || this.#ahead.has(offset)) return
    const answer = this.#requests.ask(offset, this.#end)
    answer.catch(() => undefined) // It rejects for its caller, if there is one.
    this.#ahead.set(offset, answer)
  }
}

/** Without `zero`, a hole's content is undefined. */
function isHole({ flags }: Status): boolean {
  const both = EXTENT_FLAG.hole | EXTENT_FLAG.zero
  return (flags & both) === both
}
