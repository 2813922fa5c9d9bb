// What the simulator's scripts have in common: the built package, and what is wrong with how they were called.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** Where `npm run build` puts the package. */
export const DIST = fileURLToPath(new URL('../dist', import.meta.url))

/** Ends the process, because it was called wrongly. */
export function refuse(why) {
  console.error(why)
  process.exit(2)
}

/** The simulator of a build. */
export function simulatorOf(dist) {
  const index = new URL('sim/index.js', `file://${dist}/`)
  if (!existsSync(index)) refuse(`there is no build in ${dist}; run: npm run build`)
  return import(index.href)
}

/** The options that a script was called with, as `parseArgs` reads them. */
export function optionsOf(config) {
  try {
    return parseArgs(config).values
  } catch (error) {
    if (error.code?.startsWith('ERR_PARSE_ARGS')) refuse(error.message)
    throw error
  }
}

/** A whole number from 0 on, or what an absent one stands for. */
export function countOf(name, text, absent) {
  if (text === undefined) return absent
  if (!/^\d{1,15}$/.test(text)) refuse(`--${name} takes a whole number, not '${text}'`)
  return Number(text)
}

/** What `find` answers; a RangeError that it throws is about how the script was called. */
export function named(find) {
  try {
    return find()
  } catch (error) {
    if (error instanceof RangeError) refuse(error.message)
    throw error
  }
}
