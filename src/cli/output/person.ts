import { safeText } from '../../text/render.ts'

/** Nobody wonders before that. */
const PATIENCE_MS = 1000

/** Prints to the terminal on standard error what scripts do not need: how a command ended, what it waits for. */
export function tellPerson(text: string, json = false): void {
  if (json || process.stderr.isTTY !== true) return
  process.stderr.write(`sbr: ${safeText(text)}\n`)
}

/** Tells it once if it takes longer than a moment, unless it is disposed before. */
function tellPersonSoon(text: string, json = false): Disposable {
  const timer = setTimeout(() => tellPerson(text, json), PATIENCE_MS)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}

/** Tells that a consumer finds nothing, once. */
export function tellIdle(device: string, json = false): Disposable {
  return tellPersonSoon(`${device} is empty; waiting for items`, json)
}
