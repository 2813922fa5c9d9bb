import { mix, Random } from '../../src/sim/world/random.ts'
import { type Base, makeBases } from './bases.ts'
import { damage, type Image } from './damage.ts'
import { exercise, mostOf, type Outcome } from './exercise.ts'
import { forge } from './forgery.ts'
import { HostileImages } from './hostile/source.ts'
import { noUsage, type Usage } from './meter.ts'

/** Which images to go through. */
export interface Share {
  readonly from: number
  readonly stride: number
  readonly images: number
  readonly format?: 1 | 2
  /** Images that somebody made to hurt, instead of damaged ones. */
  readonly hostile?: boolean
  /** End at the first image of which came what may not be. */
  readonly first?: boolean
  /** Called before each image with its seed: so that another thread knows which one does not end. */
  readonly onImage?: (seed: number) => void
}

/** What came of many images. */
export interface Report {
  images: number
  sealed: number
  delivered: number
  /** How often steps came to what. */
  readonly steps: Record<string, number>
  /** The most that an image cost. */
  most: Usage
  mostMs: number
  /** The first of each kind. */
  readonly failures: Failure[]
}

/** An image of which came what may not be. */
export interface Failure {
  readonly seed: number
  /** Failures of the same kind are the same problem. */
  readonly kind: string
  count: number
  /** Which ring it was, and what was done to it. */
  readonly image: string
  readonly problem: string
}

/** A report of no images. */
export function noReport(): Report {
  const most = noUsage()
  return { images: 0, sealed: 0, delivered: 0, steps: {}, most, mostMs: 0, failures: [] }
}

/** Images, each of which follows from its seed. */
export interface ImageSource<I> {
  image(seed: number): I
  /** @throws {Violation} */
  run(image: I, seed: number): Promise<Outcome>
  /** Says which image it is, for people. */
  describe(image: I): string
  formatOf(image: I): 1 | 2
  /** Whether checksums hold, so that items may have any bytes. */
  isSealed(image: I): boolean
}

/** Damaged images. */
export class Images implements ImageSource<Image> {
  readonly #bases: readonly Base[]

  private constructor(bases: readonly Base[]) {
    this.#bases = bases
  }

  static async make(format?: 1 | 2): Promise<Images> {
    const bases = await makeBases()
    return new Images(bases.filter(({ shape }) => format === undefined || shape.format === format))
  }

  image(seed: number): Image {
    const random = Random.of(seed, 1)
    const base = random.pick(this.#bases)
    return random.chance(0.35) ? forge(base, random) : damage(base, random)
  }

  /** @throws {Violation} */
  run(image: Image, seed: number): Promise<Outcome> {
    return exercise(image, new Random(mix(seed, 2)))
  }

  describe({ base, damage: done, sealed }: Image): string {
    const how = sealed ? 'forged' : 'damaged'
    return `${base.name}, ${how}: ${done.length === 0 ? 'not at all' : done.join('; ')}`
  }

  formatOf({ base }: Image): 1 | 2 {
    return base.shape.format
  }

  isSealed({ sealed }: Image): boolean {
    return sealed
  }
}

/** Damaged or hostile images, of any format or one. */
export async function sourceOf({
  hostile = false,
  format,
}: Pick<Share, 'hostile' | 'format'>): Promise<ImageSource<unknown>> {
  return hostile ? await HostileImages.make(format) : await Images.make(format)
}

/** Goes through images. */
export async function fuzz(share: Share): Promise<Report> {
  const { from, stride, images, first = false, onImage } = share
  const all = await sourceOf(share)
  const report = noReport()
  for (let index = 0; index < images && !(first && report.failures.length > 0); index++) {
    const seed = from + index * stride
    onImage?.(seed)
    const started = performance.now()
    const image = all.image(seed)
    try {
      add(report, all, image, await all.run(image, seed))
    } catch (error) {
      const [kind, problem] = [kindOf(error), explain(error)]
      addFailure(report, { seed, kind, count: 1, image: all.describe(image), problem })
    }
    report.mostMs = Math.max(report.mostMs, performance.now() - started)
  }
  return report
}

/** Adds another report. */
export function merge(report: Report, other: Report): void {
  report.images += other.images
  report.sealed += other.sealed
  report.delivered += other.delivered
  for (const [step, count] of Object.entries(other.steps)) {
    report.steps[step] = (report.steps[step] ?? 0) + count
  }
  report.most = mostOf([report.most, other.most])
  report.mostMs = Math.max(report.mostMs, other.mostMs)
  for (const failure of other.failures) addFailure(report, failure)
}

function addFailure({ failures }: Report, failure: Failure): void {
  const same = failures.find(({ kind }) => kind === failure.kind)
  if (same === undefined) failures.push(failure)
  else same.count += failure.count
}

function add(
  report: Report,
  all: ImageSource<unknown>,
  image: unknown,
  { steps, delivered, usage }: Outcome,
): void {
  report.images++
  if (all.isSealed(image)) report.sealed++
  report.delivered += delivered
  for (const step of steps) {
    const key = `format ${all.formatOf(image)}: ${step}`
    report.steps[key] = (report.steps[key] ?? 0) + 1
  }
  report.most = mostOf([report.most, usage])
}

/** What went wrong and where, without the numbers. */
function kindOf(error: unknown): string {
  const root = error instanceof Error && error.cause !== undefined ? error.cause : error
  const [what, where = ''] = explain(root).split('\n')
  return `${what?.replaceAll(/\d+/g, '#')} ${where.trim()}`
}

/** An error with what caused it. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { stack = error.message, cause } = error
  return cause === undefined ? stack : `${stack}\ncaused by ${explain(cause)}`
}
