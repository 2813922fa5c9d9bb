import { subscribe } from 'node:diagnostics_channel'
import { CLAIM_CHANNEL, type ClaimNotice } from '../../block/claim/notices.ts'
import { safeJson, safeText } from './render.ts'

/** Tells on standard error who stands in the way of a role without holding it. */
export function tellClaims(json: boolean): void {
  subscribe(CLAIM_CHANNEL, (message) => {
    const notice = message as ClaimNotice
    process.stderr.write(`${json ? safeJson(notice) : `sbr: ${safeText(textOf(notice))}`}\n`)
  })
}

function textOf(notice: ClaimNotice): string {
  const { device, role } = notice
  if (notice.event === 'obstructed') {
    return (
      `somebody who may only read ${device} keeps a lock on it, so that other containers do not notice who has the ${role} role; ` +
      `fuser -v ${device} names who has it open`
    )
  }
  const { pid, uid, reason } = notice
  const who = pid === undefined ? 'somebody' : `process ${pid} of user ${uid}`
  return `${who} occupies the name of the ${role} role of ${device} and was passed over: ${reason}`
}
