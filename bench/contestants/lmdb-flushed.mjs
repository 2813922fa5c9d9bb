import { lmdbContestant } from '../lib/lmdb-store.mjs'

export default lmdbContestant({
  title: 'lmdb, overlapping flushes, each push waits for its own',
  short: 'lmdb, overlapping',
  overlappingSync: true,
})
