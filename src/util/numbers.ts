/**
 * Checks numbers among the options of a call.
 * @throws {RangeError} one of them is out of range
 */
export function checkRange(
  values: Readonly<Record<string, number>>,
  least: number,
  most: number,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (value >= least && value <= most) continue
    throw new RangeError(`${name} must be a number from ${least} to ${most}, not ${value}`)
  }
}

/**
 * Checks whole numbers among the options of a call.
 * @throws {RangeError} one of them is no whole number, or out of range
 */
export function checkWhole(
  values: Readonly<Record<string, number>>,
  least: number,
  most: number,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (Number.isInteger(value) && value >= least && value <= most) continue
    throw new RangeError(`${name} must be a whole number from ${least} to ${most}, not ${value}`)
  }
}
