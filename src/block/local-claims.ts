import type { BlockClaim, BlockHolder, ClaimOptions } from './device.ts'
import { ASK_TIMEOUT_MS, claimedError } from './validate.ts'

/** A claim that is held. */
interface Held extends ClaimOptions {
  /** The time when it was taken: ISO 8601. */
  readonly since: string
}

/**
 * Claims and requests of a device that only this process can reach: a back-end with the capability `claim` passes it
 * the arguments of `doClaim`, `doAsk` and `doHolderOf`. All handles of one device share one `LocalClaims`. It keeps no
 * other process out: a device that others reach needs a lock that ends with its process.
 *
 * @example
 * ```ts
 * import { LocalClaims } from 'shared-block-ring/block'
 *
 * const claims = new LocalClaims()
 * const claim = claims.claim('my device', 'producer', { holder: 'me' })
 * console.log(claims.holderOf('producer')?.holder) // me
 * await claim.release()
 * ```
 */
export class LocalClaims {
  readonly #held = new Map<string, Held>()

  /**
   * Takes a role.
   * @param device its `name`, for the message
   * @throws {BlockError} `BLOCK_CLAIMED`
   */
  claim(device: string, role: string, options: ClaimOptions): BlockClaim {
    const other = this.#held.get(role)
    if (other !== undefined) throw claimedError(device, role, other.holder)
    const held = { ...options, since: new Date().toISOString() }
    this.#held.set(role, held)
    return {
      release: async () => {
        if (this.#held.get(role) === held) this.#held.delete(role)
      },
    }
  }

  /** The holder's answer; undefined if the role is free, or its holder fails or takes longer than a second. */
  async ask(role: string, request: string): Promise<string | undefined> {
    const onRequest = this.#held.get(role)?.onRequest
    return onRequest === undefined ? undefined : await answerOf(onRequest, request)
  }

  /** The holder of a role; undefined if it is free. */
  holderOf(role: string): BlockHolder | undefined {
    const held = this.#held.get(role)
    return held === undefined ? undefined : { holder: held.holder, since: held.since }
  }
}

async function answerOf(
  onRequest: (request: string) => Promise<string>,
  request: string,
): Promise<string | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ASK_TIMEOUT_MS)
  })
  try {
    return await Promise.race([onRequest(request), late])
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}
