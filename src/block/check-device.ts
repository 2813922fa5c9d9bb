import { checkOptions, type OptionKinds } from '../util/options.ts'
import type { BlockDevice } from './device.ts'

/** True if it has what every device has. */
export function isDevice(given: unknown): boolean {
  return typeof given === 'object' && given !== null && 'read' in given && 'capabilities' in given
}

/**
 * Checks that a device was given, and not the path of one.
 * @param call what was called, for the message
 * @throws {TypeError} it is something else
 */
export function checkDevice(call: string, device: BlockDevice): void {
  const given: unknown = device
  if (isDevice(given)) return
  const isPromise = given instanceof Promise
  const found = isPromise
    ? 'a promise of one: await it'
    : typeof given === 'string'
      ? `the text ${JSON.stringify(given)}`
      : typeof given
  throw new TypeError(
    `${call} takes a block device, not ${found}; open one first, as with FileBlockDevice.open(path) of shared-block-ring/block/file`,
  )
}

/**
 * Checks the arguments of a call, before any request to the device.
 * @throws {TypeError} as `checkDevice` and `checkOptions`
 */
export function checkCall<Options extends object>(
  call: string,
  device: BlockDevice,
  options: Options,
  kinds: OptionKinds<Options>,
): void {
  checkDevice(call, device)
  checkOptions(call, options, kinds)
}
