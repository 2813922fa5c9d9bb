import { testKilledWorkers } from './work.ts'

const { SBR_CRASH_ITEMS } = process.env

testKilledWorkers(Number(SBR_CRASH_ITEMS ?? 2500))
