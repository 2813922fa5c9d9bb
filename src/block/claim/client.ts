import type { Socket } from 'node:net'
import type { NativeSockets, Peer } from '../native/sockets.ts'
import { ASK_TIMEOUT_MS } from '../validate.ts'
import { HINTS_ANSWER, HINTS_REQUEST } from './hints.ts'
import { newNonce, type ReadKey } from './proof.ts'
import { parseChallenge, parseReply, questionLine, type Reply } from './protocol.ts'
import { dial, dialByCalls, type Wire } from './wire.ts'

/** The result of talking to the process that listens at a name. */
export type Occupant =
  /** No process listens there. */
  | { readonly kind: 'absent' }
  /** It has read the device. */
  | ({ readonly kind: 'holder'; readonly peer: Peer | undefined } & Reply)
  /** It sent nothing, or hung up: a stranger, or a holder that is stopped or busy. */
  | { readonly kind: 'silent'; readonly peer: Peer | undefined }
  /** It sent something that no holder sends. */
  | { readonly kind: 'stranger'; readonly peer: Peer | undefined }

/** The subject of a conversation. */
export interface Conversation {
  /** Identifies device and role, the same for every process. */
  readonly name: string
  readonly readKey: ReadKey | undefined
  /** Undefined: only identify the holder. */
  readonly request?: string | undefined
  /** The system calls, which are used if available. */
  readonly native: NativeSockets | undefined
}

/**
 * Talks to the process that listens at a path. Takes a second at most, unless this process is stopped or reading the
 * key takes longer, and fails only as `readKey` does.
 */
export async function converse(path: string, conversation: Conversation): Promise<Occupant> {
  const { native } = conversation
  const byCalls = native !== undefined && path.startsWith('\0')
  const wire = byCalls
    ? dialByCalls(native, path, ASK_TIMEOUT_MS)
    : await dial(path, ASK_TIMEOUT_MS)
  if (wire === 'absent') return { kind: 'absent' }
  if (wire === 'busy') return { kind: 'silent', peer: undefined }
  try {
    return await question(wire, conversation)
  } finally {
    wire.close()
  }
}

/** Connects to the holder that listens at a path, for hints; undefined if none does, or it gives none. Never fails. */
export async function connectForHints(
  path: string,
  { name, readKey }: Pick<Conversation, 'name' | 'readKey'>,
): Promise<Socket | undefined> {
  const wire = await dial(path, ASK_TIMEOUT_MS)
  if (typeof wire === 'string') return undefined
  wire.unref()
  try {
    const asked = { name, readKey, request: HINTS_REQUEST, native: undefined }
    const occupant = await question(wire, asked)
    if (occupant.kind === 'holder' && occupant.answer === HINTS_ANSWER) return wire.detach()
  } catch {
    // Without its key, the device cannot be read now.
  }
  wire.close()
  return undefined
}

async function question(wire: Wire, { name, readKey, request }: Conversation): Promise<Occupant> {
  const { peer } = wire
  const first = await wire.line()
  if (first === undefined) return { kind: 'silent', peer }
  const challenge = parseChallenge(first)
  if (challenge === undefined) return { kind: 'stranger', peer }
  const key = await readKey?.()
  const binding = { name, challenge }
  const asked = { nonce: newNonce(), request }
  wire.send(questionLine(key, binding, asked))
  const second = await wire.line()
  if (second === undefined) return { kind: 'silent', peer }
  const reply = parseReply(key, binding, asked, second)
  return reply === undefined ? { kind: 'stranger', peer } : { kind: 'holder', peer, ...reply }
}
