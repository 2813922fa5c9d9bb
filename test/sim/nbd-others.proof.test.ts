import { testOnNbd } from './on-nbd.ts'

testOnNbd('1', 6)
testOnNbd('2-overwrite', 6)
