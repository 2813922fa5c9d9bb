// An outbox in PostgreSQL: an order and the message about it are one transaction, and billing, another process, writes one
// invoice for each order, whatever is killed. Both connect as PGHOST, PGDATABASE and their kind say.
//   node postgres.mjs shop RING 100   accepts 100 orders
//   node postgres.mjs billing RING    writes invoices until SIGTERM
import process from 'node:process'
import pg from 'pg'
import { receive, relay } from './relay.mjs'

const [role, ring, count] = process.argv.slice(2)
const database = new pg.Pool()
await (role === 'shop' ? shop(Number(count)) : billing())
await database.end()

async function shop(orders) {
  await database.query(
    `create table if not exists orders (id bigserial primary key, quantity integer not null);
     create table if not exists outbox (id bigserial primary key, message jsonb not null)`,
  )

  async function accept(client, quantity) {
    await client.query('begin')
    const { rows } = await client.query('insert into orders (quantity) values ($1) returning id', [
      quantity,
    ])
    const [{ id: order }] = rows
    await client.query('insert into outbox (message) values ($1)', [{ order, quantity }])
    await client.query('commit')
    console.log(`accepted ${order}`)
  }

  // Transactions at the same time commit in any order: a lower id may become visible after a higher one was taken, so exactly
  // what was pushed is removed. What has to stay in order needs one transaction after the other.
  const outbox = {
    async oldest(limit) {
      const { rows } = await database.query('select id, message from outbox order by id limit $1', [
        limit,
      ])
      return rows.map(({ id, message }) => ({ id, ...message }))
    },
    remove: (messages) =>
      database.query('delete from outbox where id = any($1)', [messages.map(({ id }) => id)]),
  }

  let accepted = 0
  const relaying = relay(outbox, ring, () => accepted === orders)
  const client = await database.connect()
  for (; accepted < orders; accepted++) await accept(client, 1 + (accepted % 9))
  client.release()
  await relaying
}

async function billing() {
  const stop = new AbortController()
  process.once('SIGTERM', () => stop.abort())
  await database.query(
    'create table if not exists invoices (order_id bigint primary key, quantity integer not null)',
  )
  // The same message again changes nothing.
  const save = 'insert into invoices (order_id, quantity) values ($1, $2) on conflict do nothing'
  await receive(ring, ({ order, quantity }) => database.query(save, [order, quantity]), stop.signal)
}
