import type { BlockError } from '../errors.ts'

/** A failed request, and its place. */
export interface FailedRequest {
  readonly device: string
  /** `read`, `write`, `flush`, … */
  readonly operation: string
  readonly sector?: number
  readonly sectors?: number
}

/** `sectors 8 to 16 (exclusive) of /dev/x`, or only the device when there are no sectors. */
export function where({ device, sector, sectors }: FailedRequest): string {
  if (sector === undefined || sectors === undefined) return device
  return `sectors ${sector} to ${sector + sectors} (exclusive) of ${device}`
}

/** The same for programs. */
export function requestDetails({ device, sector, sectors }: FailedRequest): BlockError['details'] {
  return {
    device,
    ...(sector === undefined ? {} : { sector }),
    ...(sectors === undefined ? {} : { sectors }),
  }
}
