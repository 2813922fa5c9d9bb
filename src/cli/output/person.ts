import { safeText } from '../../text/render.ts'

/** How long a command waits before it says so: most waits are over by then. */
export const NOTICE_AFTER_MS = 1000

/** Prints to the terminal on standard error what scripts do not need: how a command ended, what it waits for. */
export function tellPerson(text: string, json = false): void {
  if (json || process.stderr.isTTY !== true) return
  process.stderr.write(`sbr: ${safeText(text)}\n`)
}

/** Tells it once after `NOTICE_AFTER_MS`, unless it is disposed before. */
function tellPersonSoon(text: string, json = false): Disposable {
  const timer = setTimeout(() => tellPerson(text, json), NOTICE_AFTER_MS)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

/** Tells that a consumer finds nothing, once. */
export function tellIdle(device: string, json = false): Disposable {
  return tellPersonSoon(`${device} is empty; waiting for items`, json)
}
