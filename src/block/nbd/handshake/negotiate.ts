import { BASE_ALLOCATION, INFO, OPTION, OPTION_REPLY, REFUSAL, readOffset } from '../protocol.ts'
import { broken, NbdFault } from '../transport/fault.ts'
import type { OptionNegotiation, OptionReply, Refusal } from './option-negotiation.ts'

/** Bytes in a request, if the server states no limit. */
const DEFAULT_MAXIMUM = 32 << 20
/** Nearly the largest 32-bit number, in whole blocks of any size. */
const MAX_STATUS_BYTES = 2 ** 32 - 2 ** 16

/** Zeroes that a server may send after its reply to `exportName`. */
const PADDING_BYTES = 124

/** A server's description of an export. */
export interface Export {
  readonly sizeBytes: number
  /** Of `EXPORT_FLAG`. */
  readonly flags: number
  /** Offset and length of each request are multiples of this many bytes, a power of two. */
  readonly minimum: number
  /** Bytes in a request at most; 32 MiB where the server allows more. */
  readonly maximum: number
  /**
   * Bytes in a block status request, which carries no data: the largest number possible if the server states no limit.
   */
  readonly maxStatus: number
  /** True if replies come in chunks. */
  readonly structured: boolean
  /** Number of the meta context that distinguishes data and holes, if the server has it. */
  readonly allocation: number | undefined
}

type Sizes = Pick<Export, 'minimum' | 'maximum' | 'maxStatus'>

/**
 * Negotiates an export with the server; afterwards transmission begins.
 * @throws {NbdFault}
 */
export async function negotiate(negotiation: OptionNegotiation, name: string): Promise<Export> {
  if (!negotiation.fixedNewstyle) return askExportName(negotiation, name, false)
  const structured = await agreed(negotiation, OPTION.structuredReply)
  const allocation = structured ? await askAllocation(negotiation, name) : undefined
  const found = await askGo(negotiation, name)
  if (found === undefined) return askExportName(negotiation, name, structured)
  return { ...found, structured, allocation }
}

/** True if the server agrees to an option without data that it may refuse. */
async function agreed(negotiation: OptionNegotiation, option: number): Promise<boolean> {
  const refusal = await negotiation.ask(option, Buffer.alloc(0))
  if (refusal?.code === REFUSAL.tlsRequired) throw refused(refusal)
  return refusal === undefined
}

async function askAllocation(
  negotiation: OptionNegotiation,
  name: string,
): Promise<number | undefined> {
  const contexts = new Map<string, number>()
  const query = Buffer.concat([counted(name), uint32(1), counted(BASE_ALLOCATION)])
  const refusal = await negotiation.ask(OPTION.setMetaContext, query, ({ type, data }) => {
    if (type !== OPTION_REPLY.metaContext || data.length < 4) {
      throw broken('a meta context', `a reply of type ${type} with ${data.length} bytes`)
    }
    contexts.set(data.toString('utf8', 4), data.readUInt32BE(0))
    if (contexts.size > 1) throw broken('the one meta context asked for', 'more')
  })
  return refusal === undefined ? contexts.get(BASE_ALLOCATION) : undefined
}

type Basics = Omit<Export, 'structured' | 'allocation'>

/** Undefined: the server does not know this option. */
async function askGo(negotiation: OptionNegotiation, name: string): Promise<Basics | undefined> {
  let basics: Pick<Export, 'sizeBytes' | 'flags'> | undefined
  let sizes: Sizes | undefined
  const request = Buffer.concat([counted(name), uint16(1), uint16(INFO.blockSize)])
  const refusal = await negotiation.ask(OPTION.go, request, (reply) => {
    const kind = infoOf(reply)
    if (kind === INFO.export) basics = exportInfo(reply.data)
    else if (kind === INFO.blockSize) sizes = blockSizeInfo(reply.data)
  })
  if (refusal?.code === REFUSAL.unsupported) return undefined
  if (refusal !== undefined) throw refused(refusal)
  if (basics === undefined) throw broken('the size of the export', 'none')
  return { ...basics, ...(sizes ?? defaultSizes) }
}

const defaultSizes = { minimum: 512, maximum: DEFAULT_MAXIMUM, maxStatus: MAX_STATUS_BYTES }

function infoOf({ type, data }: OptionReply): number {
  if (type !== OPTION_REPLY.info || data.length < 2) {
    throw broken('information', `a reply of type ${type} with ${data.length} bytes`)
  }
  return data.readUInt16BE(0)
}

function exportInfo(data: Buffer): Pick<Export, 'sizeBytes' | 'flags'> {
  if (data.length !== 12) throw broken('12 bytes about the export', `${data.length}`)
  return { sizeBytes: sizeAt(data, 2), flags: data.readUInt16BE(10) }
}

function blockSizeInfo(data: Buffer): Sizes {
  if (data.length !== 14) throw broken('14 bytes about block sizes', `${data.length}`)
  const minimum = data.readUInt32BE(2)
  const maximum = data.readUInt32BE(10)
  if (!Number.isInteger(Math.log2(minimum)) || minimum > 65536) {
    throw broken('a smallest block that is a power of two up to 65536', `${minimum}`)
  }
  if (maximum < minimum) throw broken(`a largest block of at least ${minimum}`, `${maximum}`)
  return {
    minimum,
    maximum: Math.min(maximum, DEFAULT_MAXIMUM),
    maxStatus: Math.min(maximum, MAX_STATUS_BYTES),
  }
}

/** For servers that do not know `go`: they reject a bad name by closing the connection. */
async function askExportName(
  negotiation: OptionNegotiation,
  name: string,
  structured: boolean,
): Promise<Export> {
  negotiation.send(OPTION.exportName, Buffer.from(name))
  const data = await negotiation
    .read(10 + (negotiation.noZeroes ? 0 : PADDING_BYTES))
    .catch((fault) => {
      const reason = `it has no export '${name}', or refuses it (${fault.message})`
      throw fault instanceof NbdFault && fault.kind === 'lost'
        ? new NbdFault('lost', reason, fault.code, fault)
        : fault
    })
  const basics = { sizeBytes: sizeAt(data, 0), flags: data.readUInt16BE(8) }
  return { ...basics, ...defaultSizes, structured, allocation: undefined }
}

function sizeAt(data: Buffer, at: number): number {
  const bytes = readOffset(new DataView(data.buffer, data.byteOffset, data.length), at)
  if (!Number.isSafeInteger(bytes)) {
    throw new NbdFault('unfit', `an export of ${bytes} bytes is more than this client can address`)
  }
  return bytes
}

function refused({ reason }: Refusal): NbdFault {
  return new NbdFault('refused', `the server refuses: ${reason}`)
}

function counted(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([uint32(bytes.length), bytes])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
