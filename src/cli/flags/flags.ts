import { fileURLToPath } from 'node:url'
import type {
  CommandContext,
  FlagParametersForType,
  TypedFlagParameter,
  TypedPositionalParameter,
  TypedPositionalParameters,
} from '@stricli/core'
import { isNbdUri, parseNbdUri } from '../../block/nbd/uri.ts'
import { checkSectorSize } from '../../block/validate.ts'
import { UNNAMED } from '../../ring/names.ts'
import { usageError } from '../errors.ts'
import { parseDuration, parseSize } from './size.ts'

/** Flags that every command has. */
export interface CommonFlags {
  readonly sectorSize?: number
  /** Milliseconds that a request to an NBD server waits without progress. */
  readonly requestTimeout?: number
  /** Use the page cache, because another program on this host does. */
  readonly buffered?: boolean
  readonly json?: boolean
}

/** Flags of the commands that take a role. */
export interface RoleFlags extends CommonFlags {
  readonly queue?: string
  readonly client?: string
}

/** Flags of the commands that push or pop. */
export interface ItemFlags extends RoleFlags {
  /** Bytes. */
  readonly maxItem?: number
}

/**
 * An environment variable, for units and containers; an empty one counts as unset. The command line takes precedence.
 */
function fromEnvironment(name: 'SBR_DEVICE' | 'SBR_QUEUE' | 'SBR_CLIENT'): string | undefined {
  return process.env[name] || undefined
}

const DEVICE_BRIEF =
  'Path of a file or of a raw block device, or an NBD URI: nbd://host/export; of a ring in a pool: DEVICE#NAME'

/** A device that the command line has to name: one of two, or one that is about to be erased. */
export const namedDevice: TypedPositionalParameter<string> = {
  brief: DEVICE_BRIEF,
  placeholder: 'DEVICE',
  parse: parsePath,
}

const standardDevice = fromEnvironment('SBR_DEVICE')

/** The device that a command works on. */
export const device: TypedPositionalParameter<string> = {
  ...namedDevice,
  brief: `${DEVICE_BRIEF} (default: $SBR_DEVICE)`,
  ...(standardDevice !== undefined && { default: standardDevice }),
}

/** The devices of a command that reads several. */
export const devices: TypedPositionalParameters<string[], CommandContext> = {
  kind: 'array',
  parameter: { ...namedDevice, brief: device.brief },
  minimum: standardDevice === undefined ? 1 : 0,
}

/** The devices that such a command is given. */
export function devicesOf(paths: readonly string[]): readonly string[] {
  return paths.length > 0 || standardDevice === undefined ? paths : [parsePath(standardDevice)]
}

/**
 * The device and the command of a command line such as `DEVICE -- COMMAND ARGS`.
 * @param args its arguments, without flags
 * @param line the whole line: if only COMMAND is given, nothing stands before `--`
 */
export function deviceAndRest(
  args: readonly string[],
  line: readonly string[] = process.argv,
): readonly string[] {
  const end = line.indexOf('--')
  const isGiven = end < 0 || args.length > line.length - end - 1
  return isGiven || standardDevice === undefined ? args : [standardDevice, ...args]
}

export const sectorSize: TypedFlagParameter<number | undefined> = {
  kind: 'parsed',
  brief: "Bytes in a sector, the same for both ends (default: 512; a raw device's own)",
  placeholder: 'N',
  optional: true,
  parse: parseSectorSize,
}

const requestTimeout: TypedFlagParameter<number | undefined> = {
  kind: 'parsed',
  brief: 'How long a request to an NBD server may wait while nothing moves (default: 30s)',
  placeholder: 'TIME',
  optional: true,
  parse: parseTimeout,
}

const buffered: TypedFlagParameter<boolean | undefined> = {
  kind: 'boolean',
  brief: 'Use a raw device through the page cache, as all others on this host then have to',
  optional: true,
  withNegated: false,
}

const json: TypedFlagParameter<boolean | undefined> = {
  kind: 'boolean',
  brief: 'Results and errors as JSON, one object a line',
  optional: true,
  withNegated: false,
}

const queue: TypedFlagParameter<string | undefined> = {
  kind: 'parsed',
  brief: `Name of the queue, as text on the device (default: $SBR_QUEUE, or '${UNNAMED}')`,
  placeholder: 'NAME',
  optional: true,
  parse: String,
}

const client: TypedFlagParameter<string | undefined> = {
  kind: 'parsed',
  brief: `Name of this program, likewise, and in errors of programs that are refused (default: $SBR_CLIENT, or '${UNNAMED}')`,
  placeholder: 'NAME',
  optional: true,
  parse: String,
}

export const commonFlags: FlagParametersForType<CommonFlags> = {
  sectorSize,
  requestTimeout,
  buffered,
  json,
}
/** Flags of the commands that report to people. */
export interface ReportFlags extends CommonFlags {
  readonly exact?: boolean
}

export const reportFlags: FlagParametersForType<ReportFlags> = {
  exact: {
    kind: 'boolean',
    brief: 'Numbers and times in full on a terminal, too, as pipes and files get them',
    optional: true,
    withNegated: false,
  },
  ...commonFlags,
}

/** Flags of commands that survey devices: the timeout is for all requests to a device. */
export const surveyFlags: FlagParametersForType<CommonFlags> = {
  ...commonFlags,
  requestTimeout: {
    ...requestTimeout,
    brief: 'How long each device may take to be inspected (default: 30s)',
  },
}
/** Flags of a command that surveys all devices repeatedly. */
export const answerFlags: FlagParametersForType<CommonFlags> = {
  ...commonFlags,
  requestTimeout: {
    ...requestTimeout,
    brief: 'How long all devices together may take to be inspected for an answer (default: 8s)',
  },
}
export const roleFlags: FlagParametersForType<RoleFlags> = { queue, client, ...commonFlags }

export const maxItem: TypedFlagParameter<number | undefined> = {
  kind: 'parsed',
  brief: 'The largest item, which has to fit into memory (default: 16MiB)',
  placeholder: 'SIZE',
  optional: true,
  parse: parseSize,
}

export const itemFlags: FlagParametersForType<ItemFlags> = { maxItem, ...roleFlags }

/** The names for the library; those neither given nor in the environment are left to its defaults. */
export function namesOf({
  queue = fromEnvironment('SBR_QUEUE'),
  client = fromEnvironment('SBR_CLIENT'),
}: RoleFlags): { queue?: string; client?: string } {
  return { ...(queue !== undefined && { queue }), ...(client !== undefined && { client }) }
}

/** The library's limit of an item's size, if one is given. */
export function limitOf({ maxItem }: Pick<ItemFlags, 'maxItem'>): { maxItemBytes?: number } {
  return maxItem === undefined ? {} : { maxItemBytes: maxItem }
}

/**
 * The name of a device: a path, also as a `file:` URI, or an NBD URI; a ring of a pool has its name after a `#`.
 * @throws {CommandError} it is invalid
 */
export function parsePath(text: string): string {
  if (text === '' || text.includes('\0')) throw usageError('DEVICE is the path of a file or device')
  try {
    // A ring of a pool: the part after the # is encoded like the rest of a URI.
    const [uri = '', ring] = text.split(/#(.*)/s)
    if (isNbdUri(text)) {
      parseNbdUri(uri)
      decodeURIComponent(ring ?? '')
    }
    if (!/^file:\/\//i.test(text)) return text
    const path = fileURLToPath(uri)
    return ring === undefined ? path : `${path}#${decodeURIComponent(ring)}`
  } catch (error) {
    throw usageError(error instanceof Error ? error.message : String(error))
  }
}

function parseTimeout(text: string): number {
  const milliseconds = parseDuration(text)
  if (milliseconds > 0) return milliseconds
  throw usageError(`expected a time of at least 1ms, found '${text}'`)
}

function parseSectorSize(text: string): number {
  const bytes = parseSize(text)
  checkSectorSize(bytes)
  return bytes
}
