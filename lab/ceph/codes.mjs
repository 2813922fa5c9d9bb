/** The codes of an error and of its causes. */
export function codesOf(error) {
  const codes = []
  for (let at = error; at !== undefined && at !== null; at = at.cause)
    codes.push(at.code ?? at.name)
  return codes
}
