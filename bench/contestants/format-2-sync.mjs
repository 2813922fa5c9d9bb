import { ringContestant } from '../lib/ring-store.mjs'

export default ringContestant({
  title: "shared-block-ring, format 2, engine 'sync'",
  short: 'sync',
  format: 2,
  device: { engine: 'sync' },
})
