import { testKilledWorkers } from './work.ts'

testKilledWorkers(2000)
