import { subscribe } from 'node:diagnostics_channel'
import { CLAIM_CHANNEL, type ClaimEvent } from '../../block/claim/events.ts'
import { safeJson, safeText } from '../../text/render.ts'

/** Reports on standard error processes that obstruct a role without holding it. */
export function tellClaims(json: boolean): void {
  subscribe(CLAIM_CHANNEL, (message) => {
    const notice = message as ClaimEvent
    process.stderr.write(`${json ? safeJson(notice) : `sbr: ${safeText(textOf(notice))}`}\n`)
  })
}

function textOf(notice: ClaimEvent): string {
  const { device, role } = notice
  if (notice.event === 'obstructed') {
    return (
      `a process with read access to ${device} holds a read lock on it, so other containers do not notice the ${role}; ` +
      `fuser -v ${device} lists the processes that have it open`
    )
  }
  const { pid, uid, reason } = notice
  const who = pid === undefined ? 'a process' : `process ${pid} of user ${uid}`
  return `${who} occupies the name of the ${role} role of ${device} and was ignored: ${reason}`
}
