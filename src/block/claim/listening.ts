import { readFile } from 'node:fs/promises'

/** The kernel's flag for a socket that listens. */
const LISTENS = 0x1_0000
/** Num, RefCount, Protocol, Flags, Type, St, Inode, Path. */
const ROW = /^\S+ \S+ \S+ (?<flags>[0-9A-F]+) \S+ \S+ +\d+ (?<path>.*)$/

/**
 * True if a process in this network namespace listens at an abstract name, in any spelling.
 * @returns undefined if the kernel's list cannot be read
 */
export async function isListening(
  name: string,
  list = '/proc/net/unix',
): Promise<boolean | undefined> {
  // The list has '@' for each zero.
  const wanted = name.replaceAll('\0', '@')
  try {
    const lines = (await readFile(list, 'latin1')).split('\n')
    return lines.some((line) => {
      const { flags = '', path } = ROW.exec(line)?.groups ?? {}
      return path === wanted && (Number.parseInt(flags, 16) & LISTENS) !== 0
    })
  } catch {
    return undefined
  }
}
