/** What an error says. Programs may throw anything, also what has no text: this never throws. */
export function errorText(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return 'an error without a text'
  }
}
