/** The record of a lease on the device. */
export interface LeaseRecord {
  /** `free` after the holder closed the role cleanly. */
  readonly status: 'held' | 'free'
  /** True if the writer certainly had the role. The first record of a host that takes it may have come too late. */
  readonly confirmed: boolean
  /** The name of the host that holds the role, or held it last; not verified. As in {@link LeaseOptions}. */
  readonly owner: string
  /** 16 hexadecimal digits, drawn at random each time the role is taken. */
  readonly nonce: string
  /** The number of times that the role was taken, this one included. */
  readonly epoch: number
  /** Each write of the record, by any host, raises it. */
  readonly counter: number
  /** The longest time without a change of the record while its owner is running, in milliseconds. */
  readonly timeoutMs: number
  /** Write time, in milliseconds since 1970, by the owner's clock: informative. */
  readonly time: number
}

/** The state of a role's lease. */
export type LeaseState =
  | LeaseRecord
  /** The role was never leased. */
  | { readonly status: 'never' }
  /** The record is damaged: the role counts as held until the lease is broken. */
  | {
      readonly status: 'damaged'
      /** The damaged field. */
      readonly field: string
      /** The expected value, as text. */
      readonly expected: string
      /** The value found, as text. */
      readonly found: string
    }

/** A lease in unreadable sectors: like a damaged one, it counts as held. */
export interface UnreadableLease {
  /** The sectors cannot be read. */
  readonly status: 'unreadable'
  /** Offset of the lease, in bytes from the device's start. */
  readonly offset: number
  /** Describes the unreadable part. */
  readonly problem: string
}

/** Options of a lease, for rings of format 2 that several hosts use. See docs/hosts.md for the requirements. */
export interface LeaseOptions {
  /**
   * The name of this host. It has to be unique, and to identify the host to a `fence` hook. 1 to 64 ASCII letters,
   * digits and `. _ : / @ [ ] -`, in words with one space between them that each begin with a letter, a digit or `[`.
   */
  readonly owner: string
  /**
   * The longest silence of this host before another one may take over, in milliseconds: 5,000 to 3,600,000. Default
   * 30,000.
   */
  readonly timeoutMs?: number
  /**
   * Cuts a silent holder off from the storage for good, and resolves once no write of it can arrive any more. Without
   * it, nothing is taken over. The record comes from the device: a program that can write to it can name any host.
   */
  readonly fence?: (holder: LeaseRecord) => Promise<void>
  /**
   * Take over without a fence. A host that was paused with both its clocks, and writes that arrive late, can then
   * damage what the new holder writes. Default false.
   */
  readonly unfenced?: boolean
  /**
   * Take over from an earlier run of the same `owner` without a fence, and without waiting if that run certainly held
   * the role. Safe only if no other host has this name, and this machine's claims show that the earlier run is gone.
   * Default false.
   */
  readonly reclaim?: boolean
  /** Called when the watch over a holder begins, which takes up to `ms` milliseconds. */
  readonly onWatch?: (holder: LeaseRecord, ms: number) => void
}
