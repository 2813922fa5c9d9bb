import { styleText } from 'node:util'
import { safeJson, safeText } from '../../text/render.ts'
import type { CommandError } from '../errors.ts'

/** An error for programs. */
export function errorObject({ code, message, details }: CommandError): object {
  return { code, message, ...details }
}

/** An error on one line of standard error. */
export function renderError(error: CommandError, json: boolean): string {
  if (json) return `${safeJson({ error: errorObject(error) })}\n`
  const sbr = styleText('red', 'sbr:', { stream: process.stderr })
  return `${sbr} ${safeText(error.message)} (${safeText(error.code)})\n`
}
