// In a file of its own, so that it runs beside the other formats: it takes minutes of one core.
import { testOnNbd } from './on-nbd.ts'

testOnNbd('2', 8)
