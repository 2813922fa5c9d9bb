import type { BlockClaim, BlockHolder, ClaimOptions } from '../device.ts'
import { ASK_TIMEOUT_MS, claimedError } from '../validate.ts'
import type { OpfsChannel, OpfsLocks, OpfsPlatform } from './platform.ts'

interface Who {
  readonly kind: 'who'
  readonly id: string
  readonly role: string
}

interface Ask {
  readonly kind: 'ask'
  readonly id: string
  readonly role: string
  readonly request: string
}

/** The answer to either. */
interface Reply {
  readonly kind: 'answer'
  readonly id: string
  readonly answer: string
  readonly since?: string
}

/** Messages between handles of one file, in any tab or worker of the origin. */
type Message = { readonly kind: 'changed' } | Who | Ask | Reply

interface Held extends ClaimOptions {
  readonly since: string
}

/**
 * Claims by Web Locks, which the browser ends with the tab or worker that holds them; requests, the names of holders
 * and notices of changes by a channel. Every script of the origin can read the file anyway, so no proof of access is
 * needed.
 */
export class OriginClaims {
  readonly #device: string
  readonly #prefix: string
  readonly #locks: OpfsLocks
  readonly #channel: OpfsChannel
  readonly #held = new Map<string, Held>()
  readonly #asking = new Map<string, (reply: Reply) => void>()
  readonly #onChange: () => void

  constructor(device: string, platform: OpfsPlatform, onChange: () => void) {
    this.#device = device
    this.#prefix = `shared-block-ring:${device}`
    this.#locks = platform.locks
    this.#onChange = onChange
    this.#channel = platform.channel(this.#prefix)
    this.#channel.onmessage = ({ data }) => void this.#hear(data)
  }

  /** @throws {BlockError} `BLOCK_CLAIMED` */
  async claim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    let release = (): void => undefined
    let ended: Promise<void> = Promise.resolve()
    const isGranted = await new Promise<boolean>((resolve, reject) => {
      ended = this.#locks.request(this.#nameOf(role), { ifAvailable: true }, async (lock) => {
        const released = new Promise<void>((end) => {
          release = end
        })
        resolve(lock !== null)
        if (lock !== null) await released
      })
      ended.catch(reject)
    })
    if (!isGranted) {
      const holder = (await this.holderOf(role))?.holder ?? 'another tab or worker of this origin'
      throw claimedError(this.#device, role, holder)
    }
    const held = { ...options, since: new Date().toISOString() }
    this.#held.set(role, held)
    return {
      release: async () => {
        if (this.#held.get(role) === held) this.#held.delete(role)
        release()
        await ended
      },
    }
  }

  async ask(role: string, request: string): Promise<string | undefined> {
    const id = crypto.randomUUID()
    const reply = await this.#heldHere(role, { kind: 'ask', id, role, request })
    return reply?.answer
  }

  async holderOf(role: string): Promise<BlockHolder | undefined> {
    const id = crypto.randomUUID()
    const reply = await this.#heldHere(role, { kind: 'who', id, role })
    if (reply === undefined) return undefined
    return { holder: reply.answer, ...(reply.since !== undefined && { since: reply.since }) }
  }

  /** Notifies all other handles of a write. */
  changed(): void {
    this.#send({ kind: 'changed' })
  }

  close(): void {
    this.#channel.onmessage = null
    this.#channel.close()
  }

  #nameOf(role: string): string {
    return `${this.#prefix}:${role}`
  }

  #send(message: Message): void {
    this.#channel.postMessage(message)
  }

  /** The holder's reply, from this handle or another; undefined if the role is free or no reply arrives in time. */
  async #heldHere(role: string, message: Who | Ask): Promise<Reply | undefined> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const { held = [] } = await this.#locks.query()
    if (!held.some(({ name }) => name === this.#nameOf(role))) return undefined
    try {
      return await new Promise((resolve) => {
        this.#asking.set(message.id, resolve)
        timer = setTimeout(() => resolve(undefined), ASK_TIMEOUT_MS)
        // A channel does not deliver to itself.
        if (this.#held.has(role)) void this.#answer(message, resolve)
        else this.#send(message)
      })
    } finally {
      clearTimeout(timer)
      this.#asking.delete(message.id)
    }
  }

  /** Handles a message, which may be anything: the origin's other scripts can write to the channel. */
  async #hear(data: unknown): Promise<void> {
    const message = messageOf(data)
    if (message?.kind === 'changed') this.#onChange()
    else if (message?.kind === 'answer') this.#asking.get(message.id)?.(message)
    else if (message !== undefined) await this.#answer(message, (reply) => this.#send(reply))
  }

  async #answer(message: Who | Ask, answerWith: (reply: Reply) => void): Promise<void> {
    const held = this.#held.get(message.role)
    if (held === undefined) return
    const { id } = message
    if (message.kind === 'who') {
      answerWith({ kind: 'answer', id, answer: held.holder, since: held.since })
      return
    }
    try {
      const answer = await held.onRequest?.(message.request)
      if (answer !== undefined) answerWith({ kind: 'answer', id, answer })
    } catch {
      // A holder that fails does not answer.
    }
  }
}

function messageOf(data: unknown): Message | undefined {
  if (typeof data !== 'object' || data === null) return undefined
  const message: Partial<Record<string, unknown>> = { ...data }
  const { kind, id, role, request, answer, since } = message
  if (kind === 'changed') return { kind }
  if (typeof id !== 'string') return undefined
  if (kind === 'answer' && typeof answer === 'string') {
    return { kind, id, answer, ...(typeof since === 'string' && { since }) }
  }
  if (typeof role !== 'string') return undefined
  if (kind === 'who') return { kind, id, role }
  return kind === 'ask' && typeof request === 'string' ? { kind, id, role, request } : undefined
}
