/** Words of other queues, shells and tools that people may type, and the command for them. */
const MEANT: Readonly<Record<string, readonly string[]>> = {
  create: ['new', 'init', 'make', 'mk', 'mkfs', 'format'],
  produce: [
    ...['push', 'put', 'add', 'append', 'send', 'write', 'enqueue', 'publish', 'pub', 'insert'],
    ...['lpush', 'rpush', 'offer', 'post', 'emit'],
  ],
  consume: [
    ...['pop', 'get', 'take', 'receive', 'recv', 'read', 'dequeue', 'subscribe', 'sub', 'lpop'],
    ...['rpop', 'fetch', 'poll', 'ack', 'shift'],
  ],
  'consume --drain': ['drain', 'purge', 'empty', 'clear', 'flush', 'truncate'],
  diagnostics: [
    ...['status', 'state', 'stat', 'stats', 'info', 'show', 'inspect', 'describe', 'diag', 'len'],
    ...['llen', 'size', 'count', 'ps', 'debug', 'who', 'holders', 'details'],
  ],
  head: ['ls', 'list', 'items', 'cat', 'view', 'less', 'more', 'first', 'next'],
  'tail --follow': ['follow', 'watch', 'log', 'logs'],
  tail: ['last', 'newest', 'recent', 'history'],
  move: ['mv', 'requeue', 'reject', 'nack', 'rpoplpush'],
  suspend: ['pause', 'stop', 'halt', 'freeze'],
  resume: ['unpause', 'unsuspend', 'continue', 'start', 'restart', 'thaw'],
  check: ['health', 'healthcheck', 'probe', 'ping', 'monitor', 'alive', 'ready'],
  metrics: ['prometheus', 'exporter', 'scrape'],
  top: ['htop', 'live'],
  serve: ['dashboard', 'web', 'ui', 'http'],
  draw: ['svg', 'plot', 'map', 'picture'],
  verify: ['fsck', 'validate', 'scrub', 'audit', 'checksum'],
  repair: ['fix', 'recover', 'rebuild', 'salvage', 'heal'],
  dump: ['hexdump', 'hex', 'xxd', 'od', 'raw'],
  migrate: ['convert', 'resize', 'upgrade', 'grow', 'shrink', 'import', 'export', 'transfer'],
  'lease show': ['leases', 'lock', 'locks', 'hosts', 'owner'],
  'lease break': ['unlock', 'fence', 'steal', 'release', 'evict', 'takeover', 'failover'],
  work: ['run', 'exec', 'each', 'foreach', 'xargs', 'process', 'worker', 'handle'],
  'journal push': ['outbox', 'record'],
  'device info': ['disk', 'blockdev', 'lsblk', 'fdisk'],
  'device compare': ['diff', 'cmp', 'compare'],
  'device copy': ['cp', 'copy', 'clone', 'backup', 'snapshot', 'dd'],
  'device erase': [
    'rm',
    'remove',
    'delete',
    'del',
    'destroy',
    'drop',
    'erase',
    'wipe',
    'zero',
    'unlink',
  ],
  bench: ['benchmark', 'perf', 'speed', 'measure', 'fio'],
  '--version': ['version', 'ver'],
}

/** Words that mean another command within a group. */
const MEANT_IN: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  lease: {
    'lease show': [...words('diagnostics'), ...words('head'), 'status', 'list', 'get', 'check'],
    'lease break': [...words('device erase'), 'take', 'free', 'revoke', 'stop'],
  },
  journal: {
    'journal push': words('produce'),
    'journal run': [...words('work'), ...words('consume'), 'work', 'consume', 'perform', 'start'],
    'journal status': [...words('diagnostics'), ...words('head'), 'diagnostics', 'head', 'check'],
  },
  pool: {
    'pool add': ['new', 'make', 'mk', 'create-ring', 'put', 'insert'],
    'pool remove': words('device erase'),
    'pool list': [...words('diagnostics'), ...words('head'), 'check'],
    'pool grow': ['resize', 'extend', 'expand'],
    'pool create': ['init', 'format', 'mkfs'],
  },
  device: {
    'device info': [...words('diagnostics'), ...words('head'), 'diagnostics'],
    'device compare': words('verify'),
    create: ['create', ...words('create')],
    bench: ['bench'],
  },
}

function words(command: string): readonly string[] {
  return MEANT[command] ?? []
}

/**
 * The command that a foreign word means.
 * @param group the group of commands that it was given to, if any
 */
export function commandMeant(word: string, group: string | undefined): string | undefined {
  const within = group === undefined ? {} : (MEANT_IN[group] ?? {})
  const [command] =
    [...Object.entries(within), ...Object.entries(MEANT)].find(([, foreign]) =>
      foreign.includes(word.toLowerCase()),
    ) ?? []
  return command
}

/** All foreign words, for a test that none is a command. */
export const FOREIGN: readonly string[] = Object.values(MEANT).flat()

/** All suggestions, for a test that they exist. */
export const SUGGESTED: readonly string[] = [
  ...new Set([MEANT, ...Object.values(MEANT_IN)].flatMap((meant) => Object.keys(meant))),
]
