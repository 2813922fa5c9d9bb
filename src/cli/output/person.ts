import { safeText } from '../../text/render.ts'

/** Nobody wonders before that. */
const PATIENCE_MS = 1000

/** Tells whoever sits at the terminal of standard error what scripts need not know: how a command ended, for what it waits. */
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
