import { testGroup } from './group.ts'

testGroup(50_000, 30)
