import { ringContestant } from '../lib/ring-store.mjs'

export default ringContestant({
  title: 'shared-block-ring, format 2, items as views',
  short: 'views',
  format: 2,
  views: true,
})
