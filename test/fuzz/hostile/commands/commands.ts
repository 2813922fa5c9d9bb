import type { Random } from '../../../../src/sim/world/random.ts'
import type { SparseImage } from '../image.ts'

/** What a command line is made for. */
export interface Setting {
  /** The file that holds the image. */
  readonly path: string
  /** A file that is not there yet. */
  readonly other: string
  readonly image: SparseImage
  readonly random: Random
}

/** A command line that works on a device. */
export interface HostileCommand {
  /** The command, as the help writes it. */
  readonly name: string
  /** What follows the command; common flags are added in front of it. */
  readonly args: (setting: Setting) => readonly string[]
  readonly input?: string
  /** Whether it may change what is on the device. */
  readonly writes: boolean
  /** Exit codes of its own, other than 0 and 1. */
  readonly exits?: readonly number[]
  /** Whether it is told to stop when it takes long: it waits, or starts a process for each item. */
  readonly isStopped?: boolean
  /** How it prints items without `--json`, if it does: each after its length, or a line each. */
  readonly prints?: 'frames' | 'lines'
  /** Whether the other file is a sound ring, with an item. */
  readonly otherIsRing?: boolean
  /** The largest device that it is run on: it reads or writes all of it. */
  readonly mostBytes?: number
}

/** Format 1 has no leases. */
const USAGE = 2
const NOTHING_NOW = 3
const SUSPENDED = 4
const STOPPED = 143
const ITEMS = 'one\ntwo\n\nthree\n'
const SMALL_BYTES = 4 << 20
const NEW = ['--size', '4MiB']

/** All commands that take a device, each at least once. */
export const COMMANDS: readonly HostileCommand[] = [
  { name: 'create', args: ({ path }) => [path], writes: false },
  { name: 'create', args: ({ path }) => [path, '--erase', '--force'], writes: true },
  {
    name: 'produce',
    args: ({ path }) => [path, '--no-wait'],
    input: ITEMS,
    writes: true,
    exits: [NOTHING_NOW, SUSPENDED],
  },
  {
    name: 'consume',
    args: ({ path }) => [path, '--drain', '--frames', '--skip-damage'],
    writes: true,
    exits: [NOTHING_NOW],
    prints: 'frames',
  },
  {
    name: 'consume',
    args: ({ path }) => [path, '--count', '2'],
    prints: 'lines',
    writes: true,
    exits: [STOPPED],
    isStopped: true,
  },
  {
    name: 'head',
    args: ({ path }) => [path, '--frames'],
    writes: false,
    exits: [NOTHING_NOW],
    prints: 'frames',
  },
  {
    name: 'peek',
    args: ({ path, random }) => [path, ...random.pick([[], ['--at', '1:2'], ['--number', '3']])],
    writes: false,
    exits: [USAGE, NOTHING_NOW],
    prints: 'lines',
  },
  {
    name: 'tail',
    args: ({ path }) => [path, '--frames'],
    writes: false,
    exits: [NOTHING_NOW],
    prints: 'frames',
  },
  {
    name: 'tail',
    args: ({ path }) => [path, '--frames', '--consumed'],
    writes: false,
    exits: [NOTHING_NOW],
    prints: 'frames',
  },
  {
    name: 'tail',
    args: ({ path }) => [path, '--frames', '--follow'],
    writes: false,
    isStopped: true,
    prints: 'frames',
  },
  {
    name: 'move',
    args: ({ path, other }) => [path, other, '--count', 'all', '--skip-damage'],
    writes: true,
    exits: [NOTHING_NOW, STOPPED],
    isStopped: true,
    otherIsRing: true,
  },
  {
    name: 'move',
    args: ({ path, other }) => [other, path, '--no-wait'],
    writes: true,
    exits: [NOTHING_NOW, SUSPENDED],
    otherIsRing: true,
  },
  {
    name: 'suspend',
    args: ({ path }) => [path, '--timeout', '100ms'],
    writes: true,
    exits: [NOTHING_NOW],
  },
  {
    name: 'resume',
    args: ({ path }) => [path, '--timeout', '100ms'],
    writes: true,
    exits: [NOTHING_NOW],
  },
  { name: 'diagnostics', args: ({ path }) => [path], writes: false },
  {
    name: 'check',
    args: ({ path }) => [path, '--max-age', '5m', '--max-fill', '80%', '--max-lease-age', '1m'],
    writes: false,
  },
  {
    name: 'metrics',
    args: ({ path }) => [path],
    writes: false,
    prints: 'lines',
  },
  { name: 'verify', args: ({ path }) => [path], writes: false },
  {
    name: 'serve',
    args: ({ path }) => [path, '--listen', '127.0.0.1:0', '--show-items'],
    writes: false,
    isStopped: true,
  },
  {
    name: 'top',
    args: ({ path }) => [path],
    writes: false,
    isStopped: true,
  },
  { name: 'draw', args: ({ path }) => [path, '--verify'], writes: false },
  { name: 'repair', args: ({ path }) => [path], writes: false },
  { name: 'repair', args: ({ path }) => [path, '--write'], writes: true },
  {
    name: 'repair',
    args: ({ path }) => [path, '--write', '--rebuild', '--zero-unreadable'],
    writes: true,
  },
  { name: 'dump', args: dumped, writes: false },
  {
    name: 'migrate',
    args: ({ path, other }) => [path, other, '--skip-damage', ...NEW],
    writes: true,
    exits: [STOPPED],
    isStopped: true,
  },
  { name: 'pool create', args: ({ path }) => [path], writes: true },
  { name: 'pool add', args: ({ path }) => [path, 'new', '--size', '64KiB'], writes: true },
  { name: 'pool list', args: ({ path }) => [path], writes: false },
  { name: 'pool remove', args: ({ path }) => [path, 'a', '--force'], writes: true },
  { name: 'pool grow', args: ({ path }) => [path], writes: true },
  { name: 'lease show', args: ({ path }) => [path], writes: false, exits: [USAGE] },
  {
    name: 'lease break',
    args: ({ path, random }) => [path, '--role', random.pick(['producer', 'consumer'])],
    writes: true,
    exits: [USAGE],
  },
  {
    name: 'journal push',
    args: ({ path }) => [path, '--no-wait'],
    input: ITEMS,
    writes: true,
    exits: [NOTHING_NOW, SUSPENDED],
  },
  {
    name: 'journal run',
    args: ({ path }) => [path, '--drain', '--', 'true'],
    writes: true,
    exits: [NOTHING_NOW, STOPPED],
    isStopped: true,
  },
  {
    name: 'work',
    args: ({ path }) => [path, '--drain', '--concurrency', '4', '--', 'true'],
    writes: true,
    exits: [NOTHING_NOW, STOPPED],
    isStopped: true,
  },
  { name: 'journal status', args: ({ path }) => [path], writes: false },
  { name: 'bench', args: ({ path }) => [path, '--time', '5ms'], writes: false },
  { name: 'device info', args: ({ path }) => [path], writes: false },
  {
    name: 'device compare',
    args: ({ path }) => [path, path],
    writes: false,
    mostBytes: SMALL_BYTES,
  },
  { name: 'device copy', args: ({ path, other }) => [path, other, '--sparse'], writes: false },
  { name: 'device erase', args: ({ path }) => [path], writes: false },
  {
    name: 'device erase',
    args: ({ path }) => [path, '--force'],
    writes: true,
    mostBytes: SMALL_BYTES,
  },
]

/** A place that says something, or any. */
function dumped({ path, image, random }: Setting): readonly string[] {
  const { offset } = random.pick(image.extents)
  const at = random.chance(0.8) ? offset : random.below(image.deviceBytes)
  return [path, '--at', String(at)]
}
