import { testOnNbd } from './on-nbd.ts'

testOnNbd('1', 10)
testOnNbd('2-overwrite', 10)
