import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FileBlockDevice } from '../../../../src/block/file/index.ts'
import { Producer } from '../../../../src/ring/access/attach.ts'
import { RingWriter } from '../../../../src/ring/queue/writer.ts'
import { mix, Random } from '../../../../src/sim/world/random.ts'
import { Violation } from '../../exercise.ts'
import { type Composed, keyOf } from '../compose2.ts'
import type { SparseImage } from '../image.ts'
import { HostileImages } from '../source.ts'
import { COMMANDS, type HostileCommand } from './commands.ts'

/** Which images to go through. */
export interface CommandShare {
  readonly from: number
  readonly images: number
  /** Processes at a time. */
  readonly workers: number
  /** Instead of all. */
  readonly commands?: readonly HostileCommand[]
}

/** What came of them. */
export interface CommandReport {
  images: number
  /** Images of devices too large for a file here. */
  skipped: number
  /** How often commands ended how. */
  readonly ends: Record<string, number>
  /** The most memory that a process had, and the longest that one took. */
  mostBytes: number
  mostMs: number
  readonly failures: { readonly seed: number; readonly command: string; readonly problem: string }[]
}

/** Devices are not larger than so, but for what a format has in front of its data. */
const MOST_DEVICE_BYTES = (1 << 30) + (1 << 20)
/** Commands on an image; the next seed goes on with the next ones. */
const COMMANDS_OF_AN_IMAGE = 5
/** What takes so long will never end. */
const STUCK_MS = 60_000
/** When a command is told to stop that may go on. */
const STOP_MS = 2000
/** Node's own memory, an item of 16 MiB a few times, and a window of a scan. */
const MOST_RESIDENT_BYTES = 256 << 20

const MAIN = fileURLToPath(new URL('../../../../dist/cli/main.js', import.meta.url))
const RESIDENT = new URL('resident.mjs', import.meta.url).href

/** Runs some commands on each image, all of them in turn. */
export async function runCommands({
  from,
  images,
  workers,
  commands = COMMANDS,
}: CommandShare): Promise<CommandReport> {
  const source = await HostileImages.make()
  const report: CommandReport = {
    ...{ images: 0, skipped: 0, ends: {}, mostBytes: 0, mostMs: 0, failures: [] },
  }
  let seed = from
  const work = async (): Promise<void> => {
    while (report.images < images) {
      const mine = seed++
      const image = source.image(mine)
      if (image.image.deviceBytes > MOST_DEVICE_BYTES) {
        report.skipped++
        continue
      }
      report.images++
      for (let index = 0; index < Math.min(COMMANDS_OF_AN_IMAGE, commands.length); index++) {
        const which = (mine * COMMANDS_OF_AN_IMAGE + index) % commands.length
        await runOne(report, mine, image, commands[which] as HostileCommand)
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  return report
}

/** Runs all commands on one image. */
export async function replayCommands(seed: number): Promise<CommandReport> {
  const source = await HostileImages.make()
  const report: CommandReport = {
    ...{ images: 1, skipped: 0, ends: {}, mostBytes: 0, mostMs: 0, failures: [] },
  }
  const image = source.image(seed)
  for (const command of COMMANDS) await runOne(report, seed, image, command)
  return report
}

async function runOne(
  report: CommandReport,
  seed: number,
  composed: Composed,
  command: HostileCommand,
): Promise<void> {
  const { image } = composed
  if (image.deviceBytes > (command.mostBytes ?? Number.POSITIVE_INFINITY)) return
  const folder = mkdtempSync(join(tmpdir(), 'sbr-hostile-'))
  const [path, other] = [join(folder, 'image'), join(folder, 'other')]
  // The same commands get the same arguments in a replay.
  const random = new Random(mix(seed, COMMANDS.indexOf(command)))
  const flags = [
    ...(composed.format === 1 ? ['--sector-size', String(image.sectorSize)] : []),
    ...(random.chance(0.3) ? ['--json'] : []),
  ]
  const given = command.args({ path, other, image, random })
  const args = [...command.name.split(' '), ...flags, ...given]
  try {
    await write(path, image)
    if (command.otherIsRing === true) await makeOther(other)
    const before = await stateOf(path)
    const ended = await run(args, command)
    const end = `${command.name}: ${ended.code ?? ended.signal}`
    report.ends[end] = (report.ends[end] ?? 0) + 1
    report.mostBytes = Math.max(report.mostBytes, ended.residentBytes)
    report.mostMs = Math.max(report.mostMs, ended.ms)
    check(ended, command, flags.includes('--json'))
    if (command.prints === 'frames' && composed.format === 2) {
      const isJson = flags.includes('--json')
      checkItems((isJson ? itemsOfJson : itemsOfFrames)(ended.stdout), composed)
    }
    if (!command.writes && (await stateOf(path)) !== before) {
      throw new Violation('the device changed, though the command only looks')
    }
    const left = readdirSync(folder).filter((name) => name !== 'image' && name !== 'other')
    if (left.length > 0) throw new Violation(`leaves ${left.join(', ')}`)
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    report.failures.push({ seed, command: `sbr ${args.join(' ')}`, problem: error.message })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function makeOther(path: string): Promise<void> {
  await using device = await FileBlockDevice.create(path, { sizeBytes: 1 << 20 })
  await Producer.create(device)
  await using writer = await RingWriter.open(device)
  await writer.push(Buffer.from('one'))
}

async function write(path: string, { deviceBytes, extents }: SparseImage): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.truncate(deviceBytes)
    for (const { offset, bytes } of extents) await writeAll(file, bytes, offset)
  } finally {
    await file.close()
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, offset + at)).bytesWritten
  }
}

/** Is another after any write: the commands take longer than the clock of files ticks. */
async function stateOf(path: string): Promise<string> {
  const file = await open(path, 'r')
  try {
    // Not how many blocks it takes: the file system may allocate some when it writes its cache back, which nobody did.
    const { size, ino, mtimeNs, ctimeNs } = await file.stat({ bigint: true })
    return [size, ino, mtimeNs, ctimeNs].join(' ')
  } finally {
    await file.close()
  }
}

/** How a command ended. */
export interface CommandEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
  readonly residentBytes: number
  readonly ms: number
}

async function run(args: readonly string[], command: HostileCommand): Promise<CommandEnd> {
  const started = performance.now()
  const child = spawn(process.execPath, ['--import', RESIDENT, MAIN, ...args], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, SBR_DEBUG: '' },
  })
  const outputs = [1, 2, 3].map((which) => {
    const chunks: Buffer[] = []
    child.stdio[which]?.on('data', (chunk: Buffer) => chunks.push(chunk))
    return chunks
  })
  child.stdin?.on('error', () => undefined) // It may end before it has read all.
  child.stdin?.end(command.input)
  const watchdog = setTimeout(() => child.kill('SIGKILL'), STUCK_MS)
  const stop = command.isStopped ? setTimeout(() => child.kill('SIGTERM'), STOP_MS) : undefined
  const [code, signal] = await once(child, 'close')
  clearTimeout(watchdog)
  clearTimeout(stop)
  const [stdout, stderr, resident] = outputs.map((chunks) => Buffer.concat(chunks))
  const residentBytes = Number(resident) * 1024
  const ms = performance.now() - started
  return {
    code,
    signal,
    stdout: stdout ?? Buffer.alloc(0),
    stderr: String(stderr),
    residentBytes,
    ms,
  }
}

/**
 * How any command has to end, whatever it found.
 * @throws {Violation}
 */
export function check(ended: CommandEnd, command: HostileCommand, json: boolean): void {
  const { stdout, stderr, residentBytes } = ended
  const { code, signal } = killedAtRest(ended, command, json) ? { code: 1, signal: null } : ended
  const says = `${signal ?? code}, and says: ${stderr.slice(0, 2000)}`
  if (signal === 'SIGKILL') throw new Violation(`does not end within ${STUCK_MS} ms: ${says}`)
  if (signal !== null || ![0, 1, ...(command.exits ?? [])].includes(code ?? -1)) {
    throw new Violation(`ends with what it does not document: ${says}`)
  }
  if (residentBytes > MOST_RESIDENT_BYTES) throw new Violation(`takes ${residentBytes} bytes`)
  const lines = stderr.split('\n').slice(0, -1)
  if (stderr !== '' && !stderr.endsWith('\n')) throw new Violation(`cuts a line off: ${says}`)
  const errors = lines.flatMap((line) => errorOf(line, json))
  if (errors.length > 1) throw new Violation(`has more than one error: ${says}`)
  const [error] = errors
  if (code === 0 && error !== undefined) throw new Violation(`is done, and has an error: ${says}`)
  // A report of damage is no error, and goes to standard output.
  if (code !== 0 && error === undefined && stdout.length === 0 && ended.signal === null) {
    throw new Violation(`fails without an error: ${says}`)
  }
  if (error !== undefined && lines.at(-1) !== error.line) {
    throw new Violation(`says more after the error: ${says}`)
  }
  if (error !== undefined && !/^[A-Z]+(_[A-Z]+)+$/.test(error.code)) {
    throw new Violation(`has an error without a code: ${says}`)
  }
  if (error?.code === 'CLI_INTERNAL') throw new Violation(`has an error of no type: ${says}`)
  if (json) checkJson(stdout, says)
}

/** Whether our SIGTERM came before the command listened for it, and had begun anything, or after it was done. */
function killedAtRest(
  { signal, stdout, stderr }: CommandEnd,
  { isStopped }: HostileCommand,
  json: boolean,
): boolean {
  if (signal !== 'SIGTERM' || isStopped !== true) return false
  const lines = stderr.split('\n').slice(0, -1)
  return stderr === '' ? stdout.length === 0 : errorOf(lines.at(-1) ?? '', json).length === 1
}

/** The error that a line tells, if it is not a notice. */
function errorOf(line: string, json: boolean): { readonly line: string; readonly code: string }[] {
  if (!json) {
    if (!line.startsWith('sbr: ')) throw new Violation(`says what is no line of sbr: ${line}`)
    const [, code] = /^sbr: .+ \(([A-Z_]+)\)$/.exec(line) ?? []
    return code === undefined ? [] : [{ line, code }]
  }
  const value = parse(line)
  const error: unknown = Reflect.get(Object(value), 'error')
  return error === undefined ? [] : [{ line, code: String(Reflect.get(Object(error), 'code')) }]
}

function checkJson(stdout: Buffer, says: string): void {
  for (const line of stdout.toString().split('\n').slice(0, -1)) {
    if (typeof parse(line) !== 'object') throw new Violation(`prints no object: ${line}: ${says}`)
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    throw new Violation(`says what is no JSON: ${line.slice(0, 2000)}`, { cause: error })
  }
}

/** What comes has to have been pushed. */
function checkItems(found: readonly Buffer[], { items }: Composed): void {
  for (const item of found) {
    if (items.has(keyOf(item))) continue
    throw new Violation(`delivers an item of ${item.length} bytes that nobody pushed`)
  }
}

function itemsOfFrames(frames: Buffer): readonly Buffer[] {
  const items: Buffer[] = []
  for (let at = 0; at < frames.length; ) {
    const end = at + 4 + frames.readUInt32LE(at)
    if (end > frames.length) throw new Violation('cuts a frame off')
    items.push(frames.subarray(at + 4, end))
    at = end
  }
  return items
}

function itemsOfJson(objects: Buffer): readonly Buffer[] {
  const lines = objects.toString().split('\n').slice(0, -1)
  return lines.map((line) => Buffer.from(String(Reflect.get(Object(parse(line)), 'hex')), 'hex'))
}
