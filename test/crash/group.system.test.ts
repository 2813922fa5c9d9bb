import { testGroup } from './group.ts'

testGroup(2000, 10)
