import { testKilledWorkers } from './work.ts'

testKilledWorkers(12_500)
