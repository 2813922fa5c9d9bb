/** What a lease says of a role, as it is on the device. */
export interface LeaseRecord {
  /** `free` is what a holder leaves behind that ended in order. */
  readonly status: 'held' | 'free'
  /** Whether who wrote it has had the role. The first record of who takes it may have come too late for that. */
  readonly confirmed: boolean
  /** Who holds the role, or held it last: what this host calls itself, which nobody has checked. As in {@link LeaseOptions}. */
  readonly owner: string
  /** 16 hexadecimal digits, drawn anew whenever the role is taken. */
  readonly nonce: string
  /** How often the role was taken, this time included. */
  readonly epoch: number
  /** Grows with each write of the record, whoever writes it. */
  readonly counter: number
  /** How long the record may stay as it is while its owner is at work, in milliseconds. */
  readonly timeoutMs: number
  /** When it was written, in milliseconds since 1970, by the owner's clock: for people. */
  readonly time: number
}

/** What is where a role's lease can be. */
export type LeaseState =
  | LeaseRecord
  /** The role was never leased. */
  | { readonly status: 'never' }
  /** It cannot be told what was there: the role counts as held until the lease is broken. */
  | {
      readonly status: 'damaged'
      readonly field: string
      readonly expected: string
      readonly found: string
    }

/** A lease of which sectors cannot be read: as with a damaged one, the role counts as held. */
export interface UnreadableLease {
  readonly status: 'unreadable'
  /** Where the lease is, in bytes from the device's start. */
  readonly offset: number
  /** What cannot be read, for people. */
  readonly problem: string
}

/** How a role is leased: for rings of format 2 that several hosts use. See docs/hosts.md for what has to hold. */
export interface LeaseOptions {
  /**
   * What this host is called, unlike any other host, and what a `fence` hook needs to know of whom to cut off. 1 to 64 ASCII letters,
   * digits and `. _ : / @ [ ] -`, in words with one space between them that each begin with a letter, a digit or `[`.
   */
  readonly owner: string
  /**
   * How long this host may not be heard of before another one can take over, in milliseconds: 5,000 to 3,600,000.
   * Default 30,000.
   */
  readonly timeoutMs?: number
  /**
   * Cuts a holder that is not heard of any more off from the storage, for good, and resolves when nothing that it has
   * written so far, or ever will, can arrive any more. Without it, nothing is taken over. The record comes from the device: whoever
   * can write there can name any host.
   */
  readonly fence?: (holder: LeaseRecord) => Promise<void>
  /**
   * Take over without a fence: a host that was paused with both its clocks, and writes that are late, can then damage
   * what the new holder writes. Default false.
   */
  readonly unfenced?: boolean
  /**
   * Take what an earlier run of the same `owner` left behind without a fence, and at once if that run has had the role. Only where no other host
   * has this name, and this machine's claims show that the earlier run is gone. Default false.
   */
  readonly reclaim?: boolean
  /** Told that a holder is watched, which takes up to `ms` milliseconds. */
  readonly onWatch?: (holder: LeaseRecord, ms: number) => void
  /** Stops the waiting. */
  readonly signal?: AbortSignal
}
