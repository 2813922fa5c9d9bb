import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, type TestContext } from 'vitest'
import { NbdBlockDevice, type NbdBlockDeviceOptions } from '../../../src/block/nbd/index.ts'
import { needs } from '../../helpers/interop.ts'
import {
  type NbdServer,
  serverProblem,
  startNbdkit,
  startNbdServer,
  startQemuNbd,
} from '../../helpers/nbd-servers.ts'

/** What a test uses; all of it is gone after the test. */
export interface Scene {
  /** A folder of its own. */
  readonly folder: string
  file(name: string): string
  /** Keeps something until the test is over. */
  keep<T extends AsyncDisposable>(thing: T): T
  nbdkit(context: TestContext, ...args: readonly string[]): Promise<NbdServer>
  qemu(context: TestContext, ...args: readonly string[]): Promise<NbdServer>
  /** With lines for the export and for the server in its configuration. */
  nbdServer(
    context: TestContext,
    file: string,
    lines?: readonly string[],
    more?: readonly string[],
  ): Promise<NbdServer>
  connect(
    where: NbdServer | string,
    options?: NbdBlockDeviceOptions,
    exportName?: string,
  ): Promise<NbdBlockDevice>
}

/** A scene for each test of a file. */
export function useScene(): Scene {
  let folder = ''
  let kept: AsyncDisposable[] = []
  const keep = <T extends AsyncDisposable>(thing: T): T => {
    kept.push(thing)
    return thing
  }
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sbr-nbd-'))
    kept = []
  })
  afterEach(async () => {
    const failed: unknown[] = []
    for (const thing of kept.reverse()) {
      await Promise.resolve(thing[Symbol.asyncDispose]()).catch((error: unknown) =>
        failed.push(error),
      )
    }
    rmSync(folder, { recursive: true })
    expect(failed).toEqual([])
  })
  return {
    get folder() {
      return folder
    },
    file: (name) => join(folder, name),
    keep,
    nbdkit: async (context, ...args) => {
      needs(context, serverProblem('nbdkit'))
      return keep(await startNbdkit(folder, args))
    },
    qemu: async (context, ...args) => {
      needs(context, serverProblem('qemu-nbd'))
      return keep(await startQemuNbd(folder, args))
    },
    nbdServer: async (context, file, lines, more) => {
      needs(context, serverProblem('nbd-server'))
      return keep(await startNbdServer(folder, file, lines, more))
    },
    connect: async (where, options, exportName) => {
      const uri = typeof where === 'string' ? where : where.uri(exportName)
      return keep(await NbdBlockDevice.open(uri, options))
    },
  }
}

/** So many bytes, all of them the same. */
export function bytes(length: number, value = 0): Uint8Array[] {
  return [new Uint8Array(length).fill(value)]
}
