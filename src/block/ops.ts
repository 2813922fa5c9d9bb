/** Work on whole devices. */
export { type Comparison, compare } from './ops/compare.ts'
export { copy } from './ops/copy.ts'
export { type EraseDeviceOptions, erase } from './ops/erase.ts'
export { type FillDeviceOptions, fill } from './ops/fill.ts'
export {
  type FoldHole,
  type FoldPiece,
  type FoldStep,
  fold,
  foldMapped,
  foldUnmapped,
} from './ops/fold.ts'
export type { OperationOptions } from './ops/options.ts'
export { type SparseCopyOptions, sparseCopy } from './ops/sparse-copy.ts'
