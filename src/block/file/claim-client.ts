import { connect } from 'node:net'
import { ASK_TIMEOUT_MS } from '../check.ts'
import {
  type Greeting,
  MAX_REPLY_BYTES,
  onLines,
  parseAnswer,
  parseGreeting,
} from './claim-protocol.ts'
import { systemCode } from './errors.ts'

/** What came of talking to a role's holder. */
export interface Conversation {
  /** Nobody listens there. */
  readonly absent: boolean
  /** Undefined if it did not greet in time, or as it should. */
  readonly greeting: Greeting | undefined
  /** Undefined if it was not asked, did not answer in time, or not as it should. */
  readonly answer: string | undefined
}

/** Reads who listens at an address, and sends a request if there is one. Never fails. */
export function converse(path: string, request?: string): Promise<Conversation> {
  const wanted = request === undefined ? 1 : 2
  return new Promise((resolve) => {
    const lines: string[] = []
    let absent = false
    const socket = connect({ path })
    const timer = setTimeout(() => socket.destroy(), ASK_TIMEOUT_MS)
    socket.on('error', (error) => {
      absent ||= ['ECONNREFUSED', 'ENOENT'].includes(systemCode(error) ?? '')
    })
    socket.on('close', () => {
      clearTimeout(timer)
      resolve({ absent, greeting: parseGreeting(lines[0]), answer: parseAnswer(lines[1]) })
    })
    onLines(socket, MAX_REPLY_BYTES, (line) => {
      lines.push(line)
      if (lines.length >= wanted) socket.destroy()
      else socket.write(`${request}\n`)
    })
  })
}
