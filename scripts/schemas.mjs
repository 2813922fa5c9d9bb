// npm run schemas: writes docs/schemas.json: what each command prints with --json, as JSON Schema. A test checks real output against it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { root } from './built.mjs'

export const path = join(root, 'docs/schemas.json')

const object = z.strictObject
const text = z.string()
const flag = z.boolean()
const number = z.number()
const count = z.int().nonnegative()
const size = count.describe('bytes')
const clock = z.int().describe('milliseconds since 1970')
const iso = text.describe('ISO 8601')
const position = text.describe('EPOCH:ITEM in format 2, bytes in format 1')
const hex = text.regex(/^([0-9a-f]{2})*$/)
const uuid = text.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
const format = z.literal([1, 2])
const role = z.enum(['producer', 'consumer'])
const place = object({ offset: size, bytes: size })

const item = object({
  position,
  number: count.optional(),
  pushedAt: iso.optional(),
  time: iso.optional(),
  id: text.optional(),
  key: text.optional(),
  headers: z.record(text, text).optional(),
  bytes: size,
  hex,
})

const lease = z.union([
  object({ status: z.literal('never') }),
  object({
    ...{ status: z.enum(['held', 'free']), confirmed: flag, owner: text, nonce: hex },
    ...{ epoch: count, counter: count, timeoutMs: count, time: clock },
  }),
  object({ status: z.literal('damaged'), field: text, expected: text, found: text }),
  object({ status: z.literal('unreadable'), offset: size, problem: text }),
])

const error = object({ code: text, message: text }).catchall(z.unknown())
const producer = object({ position, suspendAck: flag, text })
const consumer = object({ position, suspend: flag, text })
const holder = object({
  holder: text,
  pid: count.optional(),
  host: text.optional(),
  since: iso.optional(),
})
const stats = object({
  ...{
    committedItems: count,
    committedBytes: size,
    acknowledgedItems: count,
    acknowledgedBytes: size,
  },
  ...{ damagedItems: count, missedItems: count, commits: count, fullPushes: count },
  ...{ lagMs: number.optional(), oldestAt: clock.optional(), producerAt: clock, consumerAt: clock },
})
const ring = object({
  ...{ uuid, name: text, blockSize: size, onFull: z.enum(['wait', 'overwrite']) },
})

const finding = object({
  ...{ severity: z.enum(['warning', 'damage']), offset: size, structure: text, problem: text },
  ...{ items: count.optional(), numbers: object({ first: count, last: count }).optional() },
  advice: text,
})

const holds = z.union([
  object({ kind: z.literal('blank') }),
  object({
    ...{ kind: z.literal('ring'), format, capacityBytes: size, usedBytes: size },
    waitingBytes: size.optional(),
  }),
  object({ kind: z.literal('damaged-ring'), problem: text }),
  object({ kind: z.literal('other'), description: text }),
])
const poolRing = { name: text, sizeBytes: size, offset: size }
const durability = z.enum(['dsync', 'fua', 'flush'])
const pace = { perSecond: number, medianUs: number, p99Us: number }
const pushed = object({ pushed: count })
const nothing = z.never().describe('no line of its own: standard output is that of COMMAND')
const state = z.enum(['suspended', 'running'])

/** A ring as a watch sees it. */
const seen = object({
  ...{ device: text, at: clock, format, ring: ring.optional(), deviceBytes: size },
  parts: z.array(
    object({
      kind: z.enum(['guard', 'superblock', 'slot', 'lease']),
      ...{ name: text, offset: size, bytes: size, note: text, current: flag },
    }),
  ),
  ...{ data: place, log: object({ used: size, head: size, tail: size }).optional() },
  epochs: z.array(object({ epoch: count, offset: size })),
  ...{ epoch: count.optional(), waitingItems: count.optional(), waitingBytes: size.optional() },
  stats: stats.optional(),
  ...Object.fromEntries(
    role.options.map((name) => [
      name,
      object({
        ...{ position: position.optional(), text, writtenAt: clock.optional() },
        ...{ holder: holder.nullish(), lease: lease.optional() },
      }),
    ]),
  ),
  suspended: z.enum(['no', 'requested', 'yes']),
  damage: z.array(
    object({
      ...{ offset: size, bytes: size, severity: z.enum(['warning', 'damage']) },
      ...{ structure: text, problem: text, items: count.optional() },
    }),
  ),
})
const rates = {
  pushed: number,
  acknowledged: number,
  pushedBytes: number,
  commits: number,
  growth: number,
}

/** Each line that a command prints on standard output; `error` and `event` are lines of standard error. */
export const schemas = {
  create: object({
    ...{ device: text, created: flag, format, sectorSize: size, sizeSectors: count },
    capacityBytes: size,
  }),
  produce: pushed,
  consume: item,
  head: item,
  peek: item,
  tail: item,
  move: item.omit({ hex: true, time: true, id: true, key: true, headers: true }),
  suspend: object({ device: text, state }),
  resume: object({ device: text, state }),
  diagnostics: object({
    ...{ format, ring: ring.optional(), sectorSize: size, sizeSectors: count, producer, consumer },
    ...{ capacityBytes: size, usedBytes: size, freeBytes: size },
    ...{ waitingItems: count.optional(), waitingBytes: size.optional(), stats: stats.optional() },
    unreadable: z.array(place).optional(),
    atWork: object({ producer: flag, consumer: flag }),
    holders: object({ producer: holder.optional(), consumer: holder.optional() }),
    leases: object({ producer: lease, consumer: lease }).optional(),
    items: z.array(object({ position, bytes: size, hex })).optional(),
    error: error.optional(),
  }),
  check: object({
    ...{ device: text, ok: flag },
    problems: z.array(
      object({
        what: z.enum(['device', 'unreadable', 'age', 'fill', 'lease', 'leaseAge', 'atWork']),
        ...{ message: text, role: role.optional(), code: text.optional() },
      }),
    ),
    ...{
      format: format.optional(),
      waitingItems: count.optional(),
      oldestAgeMs: number.optional(),
    },
    ...{ fill: number.optional(), suspended: flag.optional(), atWork: z.array(role).optional() },
  }),
  metrics: object({
    ...{ name: text, type: z.enum(['gauge', 'counter', 'histogram']), help: text },
    samples: z.array(object({ labels: z.record(text, text), value: number })),
  }),
  verify: object({
    ...{ device: text, format, sound: flag, findings: z.array(finding), moreFindings: count },
    damagedItems: count,
    log: object({
      ...{ blocks: count, freeBlocks: count, batches: count, items: count, bytes: size },
    }).optional(),
  }),
  repair: object({
    ...{ device: text, format, written: flag },
    actions: z.array(
      object({ offset: size, structure: text, action: text, cost: text.optional() }),
    ),
    ...{ left: z.array(finding), moreLeft: count },
  }),
  dump: object({
    ...{ device: text, format, structure: text, start: size, length: size },
    problem: text.optional(),
    fields: z.array(object({ name: text, offset: size, bytes: size, value: text })),
    ...{ offset: size, unreadable: z.array(place), hex },
  }),
  migrate: object({
    ...{ from: text, to: text, items: count, bytes: size, movedBefore: count, damagedItems: count },
    ...{ missedItems: count, live: flag },
  }),
  'lease show': object({ device: text, uuid, producer: lease, consumer: lease }),
  'lease break': object({ device: text, role, before: lease }),
  work: nothing,
  'journal push': pushed,
  'journal run': nothing,
  'journal status': object({
    ...{ device: text, pendingOperations: count, pendingBytes: size, capacityBytes: size },
    ...{ producer, consumer, performing: flag },
    operations: z.array(object({ position, bytes: size, startHex: hex })),
    error: error.optional(),
  }),
  'pool create': object({ device: text, created: flag, sizeBytes: size, freeBytes: size }),
  'pool add': object({ device: text, ...poolRing }),
  'pool list': object({
    ...{ device: text, uuid, sizeBytes: size, freeBytes: size, largestFreeBytes: size },
    ...{ rings: z.array(object(poolRing)), lease },
  }),
  'pool remove': object({ device: text, removed: text }),
  'pool grow': object({ device: text, beforeBytes: size, sizeBytes: size }),
  'device info': object({
    ...{ device: text, kind: z.enum(['file', 'raw', 'nbd']), sizeBytes: size, sectorSize: size },
    ...{ sizeSectors: count, unusedBytes: size, readWrite: flag, direct: flag.optional() },
    durability,
    capabilities: object({
      ...{ discard: flag, resize: flag, seek: flag, claim: flag, watch: flag },
      singleSectorBuffers: flag,
    }),
    holds,
  }),
  'device compare': object({
    devices: z.tuple([text, text]),
    status: z.enum(['equal', 'different', 'different-size']),
    offset: size.optional(),
    sizeBytes: z.tuple([size, size]).optional(),
    sameStorage: flag.optional(),
  }),
  'device copy': object({
    ...{ from: text, to: text, sizeBytes: size, created: flag, verified: flag },
    ...{ atWork: z.array(role), leaseHolders: z.array(text) },
  }),
  'device erase': object({ device: text, sizeBytes: size }),
  bench: object({
    device: text,
    measured: z.enum(['temporary file', 'blank device', 'reads only']),
    ...{ reason: text.optional(), holds: holds.optional(), sizeBytes: size },
    ...{ direct: flag.optional(), durability },
    reads: z.array(object({ bytes: size, ...pace })),
    writes: z.array(object({ bytes: size, ...pace })),
    rings: z.array(
      object({
        engine: text.optional(),
        figures: z.array(
          object({
            ...{ what: z.enum(['push', 'take']), items: count, itemBytes: size },
            ...{ itemsPerSecond: number, ...pace },
          }),
        ),
      }),
    ),
  }),
  draw: seen,
  serve: object({ url: text }),
  top: z.union([
    seen.extend({ rates: object(rates).partial() }),
    object({ device: text, at: clock, error, rates: object(rates).partial() }),
  ]),
  error: object({ error }),
  event: z.union([
    object({
      ...{
        event: z.literal('damaged'),
        items: count,
        offset: size,
        structure: text,
        problem: text,
      },
      ...{ numbers: object({ first: count, last: count }), position },
    }),
    object({ event: z.literal('missed'), items: count.optional(), bytes: size.optional() }),
    object({ event: z.literal('lost'), damagedItems: count, missedItems: count }),
    object({
      ...{ event: z.literal('retried'), what: text, position, attempt: count, delayMs: count },
      reason: text,
    }),
    object({ event: z.literal('deadLettered'), position, attempts: count, reason: text }),
    object({ event: z.literal('notStarted'), position, delayMs: count, reason: text }),
    object({
      ...{ event: z.literal('stranger'), device: text, role: text, reason: text },
      ...{ pid: count.optional(), uid: count.optional() },
    }),
    object({ event: z.literal('obstructed'), device: text, role: text }),
  ]),
}

/** The content of docs/schemas.json: a line for each schema. */
export function schemasJson() {
  const lines = Object.entries(schemas).map(([name, schema]) => {
    const { $schema: _, ...plain } = z.toJSONSchema(schema, { override: withoutLimit })
    return `    ${JSON.stringify(name)}: ${JSON.stringify(plain)}`
  })
  return `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "What the commands of sbr print with --json, a line each",
  "$defs": {
${lines.join(',\n')}
  }
}
`
}

/** That integers are safe in JavaScript goes without saying. */
function withoutLimit({ jsonSchema }) {
  for (const limit of ['minimum', 'maximum'])
    if (Math.abs(jsonSchema[limit]) === Number.MAX_SAFE_INTEGER) delete jsonSchema[limit]
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(path, schemasJson())
