// Adds rings to a pool and removes them again, endlessly; says each change once it has happened. Killed by the test.
import { writeSync } from 'node:fs'
import { FileBlockDevice } from '../../dist/block/file/index.js'
import { RingWriter } from '../../dist/index.js'
import { Pool } from '../../dist/pool/index.js'

const device = await FileBlockDevice.open(process.argv[2])
const pool = await Pool.open(device)
const there = new Set((await pool.status()).rings.map(({ name }) => name))
for (let turn = 0; ; turn++) {
  const name = `r${turn % 4}`
  if (there.delete(name)) await pool.remove(name, { discardItems: true })
  else {
    await pool.add(name, { sizeBytes: (1 + (turn % 3)) << 16, blockSize: 512 })
    there.add(name)
  }
  writeSync(1, `${there.has(name) ? '+' : '-'}${name}\n`)
  if (!there.has(name)) continue
  const ring = await pool.open(name)
  const writer = await RingWriter.open(ring)
  await writer.push(new TextEncoder().encode(name))
  await writer.close()
  await ring.close()
}
