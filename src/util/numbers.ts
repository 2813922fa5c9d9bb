/**
 * Validates numbers among the options of a call.
 * @param most by default any number from `least` on, infinity included
 * @throws {RangeError} one of them is out of range
 */
export function checkRange(
  values: Readonly<Record<string, number>>,
  least: number,
  most: number = Number.POSITIVE_INFINITY,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (value >= least && value <= most) continue
    throw new RangeError(`${name} must be a number from ${least}${upTo(most)}, not ${value}`)
  }
}

/**
 * Validates whole numbers among the options of a call.
 * @param most by default any safe integer from `least` on
 * @throws {RangeError} one of them is not a whole number, or out of range
 */
export function checkWhole(
  values: Readonly<Record<string, number>>,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (Number.isInteger(value) && value >= least && value <= most) continue
    throw new RangeError(`${name} must be a whole number from ${least}${upTo(most)}, not ${value}`)
  }
}

/** Empty for a range without an end. */
function upTo(most: number): string {
  return most >= Number.MAX_SAFE_INTEGER ? '' : ` to ${most}`
}
