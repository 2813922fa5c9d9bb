// A dedicated worker that serves the ring of its URL's query to its page.
import { OpfsBlockDevice } from '/dist/block/opfs/index.js'
import { RingServer } from '/dist/worker/index.js'

const query = new URL(import.meta.url).searchParams
const sizeBytes = Number(query.get('bytes') ?? 1 << 20)
const open = () => OpfsBlockDevice.openOrCreate(query.get('ring'), { sizeBytes })
const sharedAs = query.get('sharedAs') ?? undefined
new RingServer(self, { open, createIfMissing: true, sharedAs })
