/** The message of an error. Programs may throw any value, even one without text, so this never throws. */
export function errorText(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error)
  } catch {
    return 'an error without a message'
  }
}
