// A transactional outbox: a shop accepts orders, and each has two effects, a row in a database and a message to a
// broker. The shop is killed between the two, started again, and every accepted order has both effects.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { fileURLToPath } from 'node:url'
import { FileBlockDevice } from 'shared-block-ring/block/file'
import { json } from 'shared-block-ring/codec'
import { Journal } from 'shared-block-ring/journal'

const [role, directory] = process.argv.slice(2)
if (role === 'shop') await shop()
else await show()

// --- The shop: what a service with an outbox does ---

async function shop() {
  const device = await FileBlockDevice.openOrCreate(join(directory, 'outbox'), {
    sizeBytes: 64 * 1024,
  })
  const outbox = await openOutbox(device)
  await outbox.sync() // what an earlier process accepted comes first
  const { length: known } = await readdir(join(directory, 'orders'))
  for (let number = known + 1; number <= known + 3; number++) {
    await acceptOrder(outbox, { id: `order-${number}`, item: 'a bicycle', quantity: number })
  }
  await outbox.sync()
  await outbox.close()
  await device.close()
}

async function openOutbox(device) {
  return Journal.open(device, performOrders, {
    queue: 'orders',
    client: 'shop',
    codec: json(),
    performIntervalMs: 50,
    backoff: { firstMs: 100 },
  })
}

async function acceptOrder(outbox, order) {
  await outbox.push(order)
  // From here on the order happens, whatever crashes: the customer can be told.
  console.log(`accepted ${order.id}`)
}

async function performOrders(orders, { mayHaveRun }) {
  for (const order of orders) {
    await saveOrder(order)
    dieOnce(order, mayHaveRun)
    await publish({ messageId: order.id, mayBeRepeated: mayHaveRun, order })
  }
}

/** The database: the same order again changes nothing. */
async function saveOrder(order) {
  const row = join(directory, 'orders', order.id)
  await writeFile(join(directory, 'unfinished'), JSON.stringify(order))
  await rename(join(directory, 'unfinished'), row)
}

/** The broker: it delivers what it gets, and whoever receives drops an id that was there before. */
async function publish(message) {
  await appendFile(join(directory, 'messages'), `${JSON.stringify(message)}\n`)
}

/** The worst moment: the order is saved, and its message is not sent. */
function dieOnce(order, mayHaveRun) {
  if (order.id === 'order-2' && !mayHaveRun) process.kill(process.pid, 'SIGKILL')
}

// --- The demonstration around it ---

async function show() {
  const place = await mkdtemp(join(tmpdir(), 'outbox-'))
  try {
    await mkdir(join(place, 'orders'))
    await writeFile(join(place, 'messages'), '')

    const before = await runShop(place)
    console.log(`The shop was killed (${before.signal}) when it had accepted: ${before.accepted}.`)
    const messages = await messagesOf(place)
    console.log(`Saved: ${await readdir(join(place, 'orders'))}. Published: ${messages}.`)

    const after = await runShop(place)
    if (after.code !== 0) throw new Error(`the shop ended with ${after.signal ?? after.code}`)
    const accepted = new Set([...before.accepted, ...after.accepted])
    const saved = new Set(await readdir(join(place, 'orders')))
    const published = new Set(await messagesOf(place))
    console.log(`Started again, and accepted: ${after.accepted}.`)
    for (const id of accepted) {
      if (!saved.has(id) || !published.has(id)) throw new Error(`${id} was lost`)
    }
    console.log(`All ${accepted.size} accepted orders are saved and published: ${[...published]}.`)
  } finally {
    await rm(place, { recursive: true, force: true })
  }
}

async function runShop(place) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'shop', place], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += chunk
  })
  const [code, signal] = await once(child, 'close')
  return { code, signal, accepted: [...output.matchAll(/accepted (\S+)/g)].map(([, id]) => id) }
}

async function messagesOf(place) {
  const lines = (await readFile(join(place, 'messages'), 'utf8')).split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line).messageId)
}
