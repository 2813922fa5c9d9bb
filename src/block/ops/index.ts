/** Operations on whole devices. */
export { type Comparison, compare } from './compare.ts'
export { copy } from './copy.ts'
export { type EraseDeviceOptions, erase } from './erase.ts'
export { type FillDeviceOptions, fill } from './fill.ts'
export {
  type FoldHole,
  type FoldPiece,
  type FoldStep,
  fold,
  foldMapped,
  foldUnmapped,
} from './fold.ts'
export type { OperationOptions } from './options.ts'
export { type SparseCopyOptions, sparseCopy } from './sparse-copy.ts'
