import type { StandardSchemaV1 } from '@standard-schema/spec'
import { after } from '../util/then.ts'
import type { Codec } from './codec.ts'
import { fromJson, toJson } from './json.ts'

/**
 * JSON validated by a schema on both sides, of any library that implements Standard Schema (zod, valibot, arktype,
 * ...). The schema's input is stored; its output is popped. A push is refused if the JSON would not be valid when
 * popped: a Date has become a string by then, and NaN null.
 */
export function schema<In, Out>(standard: StandardSchemaV1<In, Out>): Codec<Out, In> {
  return {
    name: `JSON of the ${standard['~standard'].vendor} schema`,
    encode: (item) => {
      // First, because the caller may change the item while an asynchronous schema runs.
      const encoded = toJson(item)
      const decoded = fromJson(encoded)
      const checkStored = (): unknown => validate(standard, decoded, 'as JSON, the stored form: ')
      return after(after(validate(standard, item, ''), checkStored), () => encoded)
    },
    decode: (item) => validate(standard, fromJson(item), ''),
  }
}

/**
 * The schema's output for a value; synchronously, if the schema is.
 * @param where prefix of the error message
 * @throws {TypeError} the schema's issues, synchronously or as a rejection
 */
function validate<In, Out>(
  standard: StandardSchemaV1<In, Out>,
  value: unknown,
  where: string,
): Out | Promise<Out> {
  return after(standard['~standard'].validate(value), (result) => outputOf(result, where))
}

function outputOf<Out>(result: StandardSchemaV1.Result<Out>, where: string): Out {
  if (result.issues === undefined) return result.value
  const issues = result.issues.map(({ message, path }) => {
    const keys = path?.map((part) => String(typeof part === 'object' ? part.key : part)) ?? []
    return keys.length > 0 ? `${keys.join('.')}: ${message}` : message
  })
  throw new TypeError(`${where}${issues.join('; ')}`)
}
