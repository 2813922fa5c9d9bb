import type { Names } from './types.ts'

/** The name of an unnamed queue or client. */
export const UNNAMED = 'unknown'

/** The names of a handle without a role. */
export const NO_NAMES: Names = { queue: UNNAMED, client: UNNAMED }

/** The text by which a role identifies itself on the device. */
export function roleText({ queue, client }: Names): string {
  return `${queue} used by ${client}`
}

/** In format 1 the role's state follows, which changes all the time. */
const ROLE_TEXT =
  /^(.*?) used by (.*?)(?:; (?:producer|consumer) = -?\d+; suspend(?:_ack)? = (?:true|false))?$/s

/** The names in a role's text; undefined if it has another form. */
export function namesIn(text: string): Names | undefined {
  const [, queue, client] = ROLE_TEXT.exec(text) ?? []
  return queue === undefined || client === undefined ? undefined : { queue, client }
}
