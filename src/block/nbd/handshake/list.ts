import { shown } from '../../claim/protocol.ts'
import { connectError } from '../errors.ts'
import { checkNbdConnectOptions, type NbdConnectOptions } from '../options.ts'
import { OPTION, OPTION_REPLY } from '../protocol.ts'
import { broken, NbdFault } from '../transport/fault.ts'
import { parseNbdUri } from '../uri.ts'
import { negotiateWith } from './dial.ts'
import type { OptionReply } from './option-negotiation.ts'

/** An export, as its server lists it. */
export interface NbdExport {
  /** The export’s name, as it stands in a URI. */
  readonly name: string
  /** The server's description for people; often empty. */
  readonly description: string
}

/**
 * Lists the exports of a server. The URI's own export is ignored.
 * @throws {TypeError | RangeError} an option is out of range
 * @throws {BlockError} `BLOCK_URI`, `BLOCK_OPEN` (also if the server does not list its exports), `BLOCK_PROTOCOL`
 */
export async function listNbdExports(
  uri: string,
  options: NbdConnectOptions = {},
): Promise<NbdExport[]> {
  const address = parseNbdUri(uri)
  checkNbdConnectOptions('listNbdExports', options)
  const exports: NbdExport[] = []
  try {
    await negotiateWith(address, options, async (negotiation) => {
      const refusal = await negotiation.ask(OPTION.list, Buffer.alloc(0), (reply) => {
        exports.push(exportOf(reply))
      })
      if (refusal !== undefined) {
        throw new NbdFault('refused', `the server does not list its exports: ${refusal.reason}`)
      }
      await negotiation.abort()
    })
  } catch (fault) {
    throw connectError(uri, fault)
  }
  return exports
}

function exportOf({ type, data }: OptionReply): NbdExport {
  if (type !== OPTION_REPLY.server || data.length < 4) {
    throw broken('an export', `a reply of type ${type} with ${data.length} bytes`)
  }
  const end = 4 + data.readUInt32BE(0)
  if (end > data.length) throw broken(`a name within ${data.length} bytes`, `one up to ${end}`)
  return {
    name: data.toString('utf8', 4, end),
    description: shown(data.toString('utf8', end)),
  }
}
