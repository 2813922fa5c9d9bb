import { type CodedError, isRingError, type RingError } from '../errors.ts'

/**
 * What a fault of the library says to people who type commands. The library's own messages advise those who write
 * programs; each here ends in one advice that works on the command line.
 */
export function adviceFor(error: CodedError<string, object>): string {
  if (isRingError(error)) return ringAdvice(error)
  if (error.code === 'JOURNAL_STOPPED' || error.code === 'JOURNAL_UNDECODABLE') {
    return `${error.message}. Here that is --on-failure dead-letter:PATH`
  }
  return error.message.replaceAll('FileBlockDevice.create', 'sbr create')
}

function ringAdvice({ code, message, details }: RingError): string {
  const { device, expected, found } = details
  switch (code) {
    case 'RING_NOT_INITIALISED':
      return isBlank(found)
        ? `there is no ring on ${device} yet: it is blank at its start. Make one: sbr create ${device}`
        : `${message}, as sbr create --help tells`
    case 'RING_NOT_BLANK':
      return (
        `${device} holds ${found}; nothing was written. To lose that: sbr create ${device} --force, or ` +
        '--erase --force to overwrite all of it'
      )
    case 'RING_SECTOR_SIZE':
      return `the ring on ${device} was made with sectors of ${expected} bytes, not ${found}: use --sector-size ${expected}`
    case 'RING_DEVICE_TOO_SMALL':
      return `${device} is too small for a ring: expected ${expected}, found ${found}; only whole sectors count`
    default:
      return message
  }
}

/** Whether what was found, as a JSON string, has nothing but zeroes in it. */
function isBlank(found: string | undefined): boolean {
  return found !== undefined && /^"(\\u0000)*"$/.test(found)
}
