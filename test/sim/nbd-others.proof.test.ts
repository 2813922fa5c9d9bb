import { testOnNbd } from './on-nbd.ts'

testOnNbd('1', 20)
testOnNbd('2-overwrite', 20)
