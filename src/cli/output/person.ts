import { safeText } from '../../text/render.ts'

/** Time before a command reports that it waits: most waits are over by then. */
export const NOTICE_AFTER_MS = 1000

/** Writes a notice on standard error. */
export function tell(text: string): void {
  process.stderr.write(`sbr: ${safeText(text)}\n`)
}

/** Prints to the terminal on standard error, for people only: how a command ended, what it waits for. */
export function tellPerson(text: string, json = false): void {
  if (!json && process.stderr.isTTY === true) tell(text)
}

/** Calls a function once, after `NOTICE_AFTER_MS`, unless it is disposed before. */
export function tellLater(notice: () => void): Disposable {
  const timer = setTimeout(notice, NOTICE_AFTER_MS)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

/** Reports once that a consumer finds no items. */
export function tellIdle(device: string, json = false): Disposable {
  return tellLater(() => tellPerson(`${device} is empty; waiting for items`, json))
}
