// Writes a mebibyte, and waits until it is durable, again and again: `node neighbour.mjs PATH`. Ends with its parent.
import { closeSync, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import process from 'node:process'

const path = process.argv[2]
closeSync(openSync(path, 'w'))
const file = await open(path, 'r+')
const bytes = new Uint8Array(1 << 20).fill(1)
process.on('disconnect', () => process.exit())
process.send('ready')
for (let at = 0; ; at = (at + bytes.length) % (64 << 20)) {
  await file.write(bytes, 0, bytes.length, at)
  await file.sync()
}
