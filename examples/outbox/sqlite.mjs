// An outbox in SQLite: an order and the message about it are one transaction, and billing, another process with a database of its
// own, writes one invoice for each order, whatever is killed.
//   node sqlite.mjs shop FOLDER 100   accepts 100 orders
//   node sqlite.mjs billing FOLDER    writes invoices until SIGTERM
// With better-sqlite3 instead of Node's own SQLite (22.13 and later), `new Database(path)` is all that changes.
import { join } from 'node:path'
import process from 'node:process'
import { DatabaseSync } from 'node:sqlite'
import { setImmediate as turn } from 'node:timers/promises'
import { receive, relay } from './relay.mjs'

const [role, folder, count] = process.argv.slice(2)
const ring = join(folder, 'messages.ring')
await (role === 'shop' ? shop(Number(count)) : billing())

function open(name, tables) {
  const database = new DatabaseSync(join(folder, name))
  database.exec(`pragma journal_mode = wal; pragma synchronous = full; ${tables}`)
  return database
}

async function shop(orders) {
  const database = open(
    'shop.db',
    `create table if not exists orders (id integer primary key, quantity integer not null);
     create table if not exists outbox (id integer primary key autoincrement, message text not null)`,
  )
  const saveOrder = database.prepare('insert into orders (quantity) values (?)')
  const saveMessage = database.prepare('insert into outbox (message) values (?)')

  function accept(quantity) {
    database.exec('begin immediate')
    const { lastInsertRowid: order } = saveOrder.run(quantity)
    saveMessage.run(JSON.stringify({ order: Number(order), quantity }))
    database.exec('commit')
    console.log(`accepted ${order}`)
  }

  const select = database.prepare('select id, message from outbox order by id limit ?')
  const forget = database.prepare('delete from outbox where id <= ?')
  const outbox = {
    oldest: (limit) => select.all(limit).map(({ id, message }) => ({ id, ...JSON.parse(message) })),
    remove: (messages) => forget.run(messages.at(-1)?.id ?? 0),
  }

  let accepted = 0
  const relaying = relay(outbox, ring, () => accepted === orders)
  for (; accepted < orders; accepted++) {
    accept(1 + (accepted % 9))
    await turn()
  }
  await relaying
  database.close()
}

async function billing() {
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  const database = open(
    'billing.db',
    'create table if not exists invoices (order_id integer primary key, quantity integer not null)',
  )
  // The same message again changes nothing.
  const save = database.prepare('insert or ignore into invoices (order_id, quantity) values (?, ?)')
  await receive(ring, async ({ order, quantity }) => save.run(order, quantity), stop.signal)
  database.close()
}
