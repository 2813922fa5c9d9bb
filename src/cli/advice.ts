import { statSync } from 'node:fs'
import { smallestSector } from '../block/file/sysfs.ts'
import { isNbdUri } from '../block/nbd/uri.ts'
import {
  type AnyRingError,
  type CodedError,
  isRingError,
  type RingErrorDetails,
  type RingErrorDetailsOf,
} from '../errors.ts'
import { isWorkError } from '../ring/queue/process/work-error.ts'
import { BLANK, UNFINISHED } from '../ring/report/signatures.ts'
import { counted, describeDamage } from '../text/render.ts'
import { shellWord } from '../util/shell-word.ts'

/**
 * An error of the library in the words of the command line. The library's own messages advise programmers; each
 * message here ends with advice that works as a command.
 */
export function adviceFor(error: CodedError<string, object>): string {
  const { device } = error.details as { readonly device?: unknown }
  const advice = wordsFor(error)
  return typeof device === 'string' ? copyable(advice, device) : advice
}

/** Makes commands in the library's messages work as they are, with the device as it was given. */
function copyable(text: string, device: string): string {
  const word = shellWord(device)
  if (word === device) return text
  const literal = device.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  return text.replaceAll(
    new RegExp(`\\b(sbr (?:[a-z]+ ){1,2})${literal}`, 'g'),
    (_, start) => start + word,
  )
}

function wordsFor(error: CodedError<string, object>): string {
  if (isRingError(error)) return ringAdvice(error)
  if (isWorkError(error)) {
    return `${error.message}. Here that is --dead-letter DEVICE`
  }
  return (
    error.message
      .replaceAll('FileBlockDevice.create', 'sbr create')
      .replaceAll('direct: false', '--buffered')
      .replace('a larger sectorSize', 'a larger --sector-size')
      // Advice that only programs can follow comes last.
      .replace(/, or open it with .*$/, '')
  )
}

function ringAdvice(error: AnyRingError): string {
  const { message, details } = error
  const { device, expected, found, field } = details
  if (field === 'pool') {
    return message.replace(
      'Erase it, or overwrite it on purpose',
      `To destroy that: sbr pool create ${device} --force`,
    )
  }
  switch (error.code) {
    case 'RING_NOT_INITIALISED':
      return `there is no ring on ${device}: ${contentAdvice(details)}`
    case 'RING_NOT_BLANK':
      return (
        `${device} holds ${found}; nothing was written. To destroy that: sbr create ${device} --force, or ` +
        '--erase --force to overwrite all of it'
      )
    case 'RING_DAMAGED':
      return damageAdvice(error.details)
    case 'RING_CORRUPT':
      // Only a record of format 1 has a length that others are found by.
      return field === 'length'
        ? `${message}. In format 1 later items cannot be found, so it cannot be skipped: keep a copy of ` +
            `the device, and make a new ring: sbr create ${device} --format 1 --erase --force`
        : message.replace('see verifyRing', `see sbr verify ${device}`)
    case 'RING_NOT_EMPTY':
      return message.replace('use discardItems: true, or: ', 'use ')
    case 'RING_ITEM_TOO_LARGE':
      return details.offset === undefined
        ? message
        : `the item at byte ${details.offset} of ${device} has ${found} bytes, ${expected} are taken; allow more: --max-item ${found}`
    case 'RING_SECTOR_SIZE':
      return `the ring on ${device} was made for sectors of ${expected} bytes, not ${found}: ${sectorAdvice(details)}`
    case 'RING_DEVICE_TOO_SMALL':
      if (isEmptyFile(device))
        return `${device} is an empty file; make a ring of it: sbr create ${device}`
      return `${device} is too small for a ring: expected ${expected}, found ${found}; only whole sectors count`
    default:
      return message
  }
}

/** A disk with larger sectors accepts no smaller ones; an export's smallest size is unknown before connecting. */
function sectorAdvice({ device = '', expected }: RingErrorDetails): string {
  const open = `use --sector-size ${expected}`
  const copy =
    `copy it to a file, which takes them (sbr device copy ${device} ring.img), and use that, or move its items on to a ring ` +
    'with larger blocks (sbr migrate ring.img NEW)'
  if (isNbdUri(device)) return `${open}; if the server does not take that, ${copy}`
  return smallestSector(device) > Number(expected) ? copy : open
}

function damageAdvice(details: RingErrorDetailsOf<'RING_DAMAGED'>): string {
  const { device, missed } = details
  const before =
    missed === undefined ? '' : `, and ${counted(missed, 'item')} before that overwritten`
  return (
    `${device}: ${describeDamage(details)}${before}. To skip all damaged items: sbr consume ${device} ` +
    `--skip-damage, or sbr migrate ${device} NEW --skip-damage`
  )
}

/** The advice if there is no ring. No message explains how to destroy the content. */
function contentAdvice({ device, found }: RingErrorDetails): string {
  switch (found) {
    case BLANK:
      return `its start and its end are blank. Make one: sbr create ${device}`
    case UNFINISHED[1]:
      return `it holds ${found}. Create it again: sbr create ${device} --format 1`
    case UNFINISHED[2]:
      return `it holds ${found}. Create it again: sbr create ${device}`
    default:
      return `it holds ${found}; check the path`
  }
}

function isEmptyFile(path: string | undefined): boolean {
  const stats = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })
  return stats?.isFile() === true && stats.size === 0
}
