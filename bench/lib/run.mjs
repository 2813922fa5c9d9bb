// Runs everything in turns: round by round, column by column, each contestant after the other, so that what else
// the machine does meanwhile meets all of them alike.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { canTrace, countFlushes } from './durability.mjs'
import { Worker } from './host.mjs'
import { quantile } from './result.mjs'

/** A push every 2 to 5 ms. */
const PACE = { fromMs: 2, toMs: 5 }
/** What is handed over before and does not count: processes that just began have compiled nothing yet. */
const WARM_UP = { count: 1000, fromMs: 0, toMs: 1 }

/**
 * Measures the contestants in the columns: so many rounds, or fewer if another one would take longer than there is
 * time. Answers the rounds made and, for each contestant, its samples by column, how often it flushes, and what went
 * wrong.
 */
export async function runAll(plan) {
  const { contestants, columns, folder, onProgress } = plan
  const started = performance.now()
  const rows = contestants.map((contestant) => ({ contestant, samples: {}, problems: [] }))
  await checkDurability(rows, folder, onProgress)
  const throughput = columns.filter(({ measure }) => measure !== undefined)
  const latency = columns.filter(({ share }) => share !== undefined)
  let rounds = 0
  await withWorkers(throughput.length > 0 ? rows : [], folder, async () => {
    const began = performance.now()
    do {
      rounds++
      for (const column of throughput) {
        onProgress(`round ${rounds} of ${plan.rounds}: ${column.id}`)
        for (const row of turned(rows, rounds)) await sample(row, column, plan.ms)
      }
      if (latency.length > 0) onProgress(`round ${rounds} of ${plan.rounds}: latency`)
      for (const row of latency.length > 0 ? rows : []) {
        await sampleLatency(row, latency, folder, plan.messages)
      }
    } while (rounds < plan.rounds && isTimeForOneMore(plan.maxMs, started, began, rounds))
  })
  return { rows, rounds }
}

/** Each round begins with another one: what one does may still keep the disk busy when the next one begins. */
function turned(rows, round) {
  const first = (round - 1) % rows.length
  return [...rows.slice(first), ...rows.slice(0, first)]
}

function isTimeForOneMore(maxMs, started, began, rounds) {
  const now = performance.now()
  return now - started + (now - began) / rounds <= maxMs
}

async function sample(row, column, ms) {
  if (row.worker === undefined) return
  try {
    const measured = await row.worker.ask('measure', { column: column.id, ms })
    if (measured === undefined) return
    add(row, column.id, measured.rate * column.worth)
    if (measured.cpu !== undefined) add(row, `cpu ${column.id}`, measured.cpu)
  } catch (error) {
    row.problems.push(`${column.id}: ${error.message}`)
  }
}

function add(row, id, figure) {
  row.samples[id] ??= []
  row.samples[id].push(figure)
}

async function withWorkers(rows, folder, work) {
  try {
    for (const row of rows) {
      const { contestant } = row
      try {
        const path = await store(contestant, folder, 'throughput')
        row.worker = await Worker.start(contestant.id, path)
      } catch (error) {
        row.problems.push(`start: ${error.message}`)
      }
    }
    await work()
  } finally {
    await Promise.all(rows.map((row) => row.worker?.stop()))
    for (const { contestant } of rows) await remove(contestant, folder, 'throughput')
  }
}

/** Latency takes a process that pushes and one that receives; a device is written to as often. */
async function sampleLatency(row, columns, folder, count) {
  const { contestant } = row
  const isDevice = contestant.kind === 'limit'
  if (!(isDevice || contestant.sharedByProcesses) || row.failed) return
  const workers = []
  const start = async (path, role) => {
    const worker = await Worker.start(contestant.id, path, role)
    workers.push(worker)
    return worker
  }
  try {
    const path = await store(contestant, folder, 'latency')
    const sender = await start(path, 'sender')
    const times = isDevice
      ? await sender.ask('pace', { count, ...PACE })
      : await handOver(sender, await start(path, 'receiver'), count)
    if (times === undefined) return
    for (const { id, share } of columns) add(row, id, quantile(times, share))
  } catch (error) {
    row.problems.push(`latency: ${error.message}`)
    row.failed = true
  } finally {
    for (const worker of workers.reverse()) await worker.stop()
    await remove(contestant, folder, 'latency')
  }
}

async function handOver(sender, receiver, count) {
  const received = receiver.ask('receive', { count: WARM_UP.count + count })
  await sender.ask('send', WARM_UP)
  const [times] = await Promise.all([received, sender.ask('send', { count, ...PACE })])
  return times.slice(WARM_UP.count)
}

async function checkDurability(rows, folder, onProgress) {
  if (!canTrace()) return
  for (const row of rows) {
    const { contestant } = row
    onProgress(`counting the flushes of ${contestant.id}`)
    try {
      row.flushes = await countFlushes(contestant.id, await store(contestant, folder, 'traced'))
    } catch (error) {
      row.problems.push(`counting flushes: ${error.message}`)
    } finally {
      await remove(contestant, folder, 'traced')
    }
  }
}

async function store(contestant, folder, use) {
  const path = join(folder, `${contestant.id}-${use}`)
  await mkdir(path)
  await contestant.create?.(path, use)
  return path
}

function remove(contestant, folder, use) {
  return rm(join(folder, `${contestant.id}-${use}`), { recursive: true, force: true })
}
