import { testOnNbd } from './on-nbd.ts'

testOnNbd('1', 4)
testOnNbd('2-overwrite', 4)
