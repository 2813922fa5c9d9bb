import type { Names } from './types.ts'

/** The name of a queue or a client that has none. */
export const UNNAMED = 'unknown'

/** The names of a handle that has none: what reads without a role. */
export const NO_NAMES: Names = { queue: UNNAMED, client: UNNAMED }

/** How a role names itself on the device, for people. */
export function roleText({ queue, client }: Names): string {
  return `${queue} used by ${client}`
}

/** In format 1 the text continues with the role's state, which changes all the time. */
const ROLE_TEXT =
  /^(.*?) used by (.*?)(?:; (?:producer|consumer) = -?\d+; suspend(?:_ack)? = (?:true|false))?$/s

/** The names in a role's text, whatever wrote it; undefined if that wrote something else. */
export function namesIn(text: string): Names | undefined {
  const [, queue, client] = ROLE_TEXT.exec(text) ?? []
  return queue === undefined || client === undefined ? undefined : { queue, client }
}
