import { nbdStorage } from '../nbd/storage.ts'
import { diskStorage, type StorageKind } from './storage.ts'

/** The kinds of storage that `--device` names. */
export const STORAGES: readonly StorageKind[] = [diskStorage, nbdStorage]

/**
 * The kind of storage with a name.
 * @throws {RangeError} there is none
 */
export function storageNamed(name: string): StorageKind {
  const found = STORAGES.find((kind) => kind.name === name)
  if (found === undefined) {
    throw new RangeError(
      `no device ${name}; known are ${STORAGES.map((kind) => kind.name).join(', ')}`,
    )
  }
  return found
}
