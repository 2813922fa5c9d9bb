// Mutants of `process`: one rule left out each; the same shape as in mutants.mjs.

import { mutantsOf } from './mutant.mjs'

const REQUEUER = 'ring/queue/process/requeuer.ts'
const PROCESSOR = 'ring/queue/process/processor.ts'
const CURRENT_JOB = 'ring/queue/process/current-job.ts'
const SETTLEMENTS = 'ring/queue/process/settlements.ts'
const SCHEDULER = 'tasks/scheduler.ts'
const POLL = 'ring/queue/poll.ts'
const LOG_READER = 'ring/format2/log/log-reader.ts'

const mutant = mutantsOf({ format: '2-work' })

export const WORK = [
  mutant('an item is acknowledged when its handler begins', 'none', 100, [
    PROCESSOR,
    '    this.#handling++\n',
    '    this.#handling++\n    this.#settlements.handled(entry)\n',
  ]),
  mutant('an item is acknowledged before its dead letter is durable', 'none', 100, [
    PROCESSOR,
    'await this.#settings.deadLetter?.(',
    'void this.#settings.deadLetter?.(',
  ]),
  mutant('an item is acknowledged before it is durable at the end of the ring', 'none', 300, [
    REQUEUER,
    'position = await pushed\n',
    'position = BigInt(1)\n',
  ]),
  mutant('an item with a key leaves its place', 'none', 300, [
    REQUEUER,
    "if (chosen?.next !== 'handle' || chosen.key !== undefined) return undefined",
    "if (chosen?.next !== 'handle') return undefined",
  ]),
  mutant('an acknowledgement that fails is ignored', 'eio', 300, [
    SETTLEMENTS,
    '    this.#options.onFailed(error)\n',
    '',
  ]),
  mutant('jobs of a key are attempted side by side', 'none', 100, [
    SCHEDULER,
    'const lane = this.#lanes.get(task.key)',
    'const lane = undefined',
  ]),
  mutant('the next of a key goes first while one is paused', 'none', 100, [
    SCHEDULER,
    '    this.#paused.set(task, () => early.abort())\n',
    '    this.#paused.set(task, () => early.abort())\n    if (task.key !== undefined) this.#nextOf(task.key, [])\n',
  ]),
  mutant('more are attempted than may be', 'none', 100, [
    SCHEDULER,
    'if (this.#attempts === concurrency) break',
    'if (this.#attempts > concurrency) break',
  ]),
  mutant('what was not begun counts as handled once it stops', 'none', 100, [
    SCHEDULER,
    '    this.#ready.clear()\n',
    '    for (let job = this.#next(); job; job = this.#next()) this.#work.conclude(job)\n',
  ]),
  mutant(
    'attempts begin although it stops',
    'none',
    100,
    [SCHEDULER, '    this.#arrivals.clear()\n    this.#ready.clear()\n', ''],
    [SCHEDULER, '!this.#stopped && this.#waiting > 0', 'this.#waiting > 0'],
    [SCHEDULER, 'task === undefined || this.#stopped', 'task === undefined'],
  ),
  mutant('what was not begun does not come again', 'none', 300, [
    PROCESSOR,
    '      await this.#source.rewind()\n',
    '',
  ]),
  mutant('what a handler does counts when nobody waits for it', 'none', 300, [
    PROCESSOR,
    "if (this.#isOver || 'error' in entry) return",
    "if ('error' in entry) return",
  ]),
  mutant('a dead letter counts when nobody waits for it', 'none', 900, [
    PROCESSOR,
    "    if (this.#isOver) return new Concluded(undefined)\n    return this.#settle(task, { event: 'deadLettered'",
    "    return this.#settle(task, { event: 'deadLettered'",
  ]),
  mutant('a handler is called after a late answer of the attempt store', 'none', 600, [
    PROCESSOR,
    '    if (this.#scheduler.stopping.aborted) return new Concluded(undefined)\n',
    '',
  ]),
  mutant('what is handled is not waited for at the end', 'none', 300, [
    PROCESSOR,
    '    await this.#settlements.written\n',
    '',
  ]),
  mutant('what is acknowledged is not written at the end', 'none', 300, [
    PROCESSOR,
    '      await this.#source.flush({ waitForEarlier: false })\n',
    '',
  ]),
  mutant('items that were in the ring count as new', 'kill', 300, [
    CURRENT_JOB,
    'this.attempt > 1 || this.position <= this.#facts.foundUpTo',
    'this.attempt > 1',
  ]),
  mutant('an item that does not decode is skipped where it has to be a dead letter', 'none', 300, [
    PROCESSOR,
    "if ('error' in entry && this.#settings.onUndecodable === 'skip') {",
    "if ('error' in entry) {",
  ]),
  mutant('an item that does not decode ends nothing', 'none', 300, [
    PROCESSOR,
    "    if (onUndecodable === 'stop') throw this.#givenUp(position, 0, error)\n",
    '',
  ]),
  mutant('a look that finds nothing is the last one', 'none', 30, [
    POLL,
    "        if (by === 'poll') callOff = begin()\n",
    '',
  ]),
  mutant('pauses grow without an end', 'none', 30, [
    POLL,
    'this.#pauseMs = Math.min(this.#pauseMs * 2, this.#longest())',
    'this.#pauseMs *= 2',
  ]),
  mutant('where nothing was, nothing is looked for', 'none', 30, [
    LOG_READER,
    'this.#vacantLsn === lsn && this.#vacant.every((byte, at) => byte === head?.[at])',
    'this.#vacantLsn === lsn && head !== undefined',
  ]),
]
