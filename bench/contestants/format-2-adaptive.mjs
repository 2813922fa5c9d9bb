import { ringContestant } from '../lib/ring-store.mjs'

export default ringContestant({
  title: "shared-block-ring, format 2, engine 'adaptive'",
  short: 'adaptive',
  format: 2,
  device: { engine: 'adaptive' },
})
