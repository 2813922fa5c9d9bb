/**
 * Asked each time before something is sent for a request, because what may be sent when a call begins may not be sent
 * any more when a piece of it, queued or tried again, leaves. Throws to refuse.
 */
export type Permit = () => void

/** A request's permit, with its first refusal: back-ends may report that as a failure of their own. */
export interface AskedPermit {
  readonly permit: Permit
  readonly refused: { readonly reason: unknown } | undefined
}

/** The permit of what may always be sent. */
export const ALWAYS: Permit = () => undefined

const UNASKED: AskedPermit = { permit: ALWAYS, refused: undefined }

/** Remembers whether the permit refuses; a request without one may always be sent. */
export function asked(permit: Permit | undefined): AskedPermit {
  if (permit === undefined || permit === ALWAYS) return UNASKED
  const remembering: { permit: Permit; refused: AskedPermit['refused'] } = {
    refused: undefined,
    permit: () => {
      try {
        permit()
      } catch (reason) {
        remembering.refused ??= { reason }
        throw reason
      }
    },
  }
  return remembering
}

/** One permit that asks both. */
export function both(first: Permit, second: Permit | undefined): Permit {
  if (second === undefined) return first
  return () => {
    first()
    second()
  }
}
