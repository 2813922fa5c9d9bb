import { fdatasyncSync } from 'node:fs'
import type { Permit } from '../../permit.ts'
import { readCallSync, writeCallSync } from './calls.ts'
import type { Engine } from './engine.ts'
import { turn } from './event-loop-slice.ts'

/** Blocking calls: the rest of the program waits, but on a fast disk no engine is faster. */
export const syncEngine: Engine = {
  read: (fd, buffers, position, permit) =>
    inTurn(permit, () => readCallSync(fd, buffers, position)),
  write: (fd, buffers, position, permit) =>
    inTurn(permit, () => writeCallSync(fd, buffers, position)),
  flush: (fd, permit) => inTurn(permit, () => fdatasyncSync(fd)),
}

function inTurn<T>(permit: Permit, call: () => T): T | Promise<T> {
  const permitted = (): T => {
    permit()
    return call()
  }
  const wait = turn()
  return wait === undefined ? permitted() : wait.then(permitted)
}
