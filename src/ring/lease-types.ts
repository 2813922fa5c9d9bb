/** The record of a lease on the device. */
export interface LeaseRecord {
  /** `free` after the holder closed the role in order. */
  readonly status: 'held' | 'free'
  /** True if the writer has certainly had the role. The first record of a host that takes it may have come too late for that. */
  readonly confirmed: boolean
  /** The host that holds the role, or held it last, as it calls itself; unchecked. As in {@link LeaseOptions}. */
  readonly owner: string
  /** 16 hexadecimal digits, drawn at random each time the role is taken. */
  readonly nonce: string
  /** How many times the role was taken, this time included. */
  readonly epoch: number
  /** Grows with each write of the record by any host. */
  readonly counter: number
  /** How long the record may go without a change while its owner is running, in milliseconds. */
  readonly timeoutMs: number
  /** When it was written, in milliseconds since 1970, by the owner's clock: for people. */
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
      /** What it should hold, for people. */
      readonly expected: string
      /** What it holds, for people. */
      readonly found: string
    }

/** A lease in unreadable sectors: like a damaged one, it counts as held. */
export interface UnreadableLease {
  /** The sectors cannot be read. */
  readonly status: 'unreadable'
  /** Where the lease is, in bytes from the device's start. */
  readonly offset: number
  /** What is unreadable, for people. */
  readonly problem: string
}

/** How a role is leased: for rings of format 2 that several hosts use. See docs/hosts.md for what has to hold. */
export interface LeaseOptions {
  /**
   * The name of this host, different from any other host's, and what a `fence` hook needs to know to cut it off. 1 to 64 ASCII letters,
   * digits and `. _ : / @ [ ] -`, in words with one space between them that each begin with a letter, a digit or `[`.
   */
  readonly owner: string
  /**
   * How long this host may be silent before another one can take over, in milliseconds: 5,000 to 3,600,000.
   * Default 30,000.
   */
  readonly timeoutMs?: number
  /**
   * Cuts a silent holder off from the storage, for good, and resolves once nothing that it has written so far, or ever will, can
   * still arrive. Without it, nothing is taken over. The record comes from the device: a program that can write to it can name any
   * host.
   */
  readonly fence?: (holder: LeaseRecord) => Promise<void>
  /**
   * Take over without a fence. A host that was paused with both its clocks, and writes that arrive late, can then damage
   * what the new holder writes. Default false.
   */
  readonly unfenced?: boolean
  /**
   * Take over from an earlier run of the same `owner` without a fence, and without waiting if that run certainly held the role. Only if no
   * other host has this name, and this machine's claims show that the earlier run is gone. Default false.
   */
  readonly reclaim?: boolean
  /** Called when a holder is watched, which takes up to `ms` milliseconds. */
  readonly onWatch?: (holder: LeaseRecord, ms: number) => void
}
