// The site: `npm run docs` builds it into site/, from the documents of this repository and the doc comments of what the package
// exports.
import { readFileSync } from 'node:fs'
import { Comment, CommentTag, Converter, ReflectionKind } from 'typedoc'

/** The documents, in the order of the site's navigation. README.md is the first page. */
const CHAPTERS = {
  Guide: [
    'docs/choosing.md',
    'docs/processing.md',
    'docs/many-rings.md',
    'docs/operating.md',
    'docs/monitoring.md',
    'docs/deploy.md',
    'FORMAT.md',
    'docs/guarantees.md',
    'docs/measured.md',
  ],
  Topics: [
    'docs/api.md',
    'docs/cli.md',
    'docs/pool.md',
    'docs/hosts.md',
    'docs/outbox.md',
    'docs/nbd.md',
    'docs/browser.md',
    'docs/clients.md',
    'docs/back-ends.md',
    'docs/benchmarks.md',
    'docs/transcripts.md',
    'examples/deploy/README.md',
    'examples/monitoring/README.md',
  ],
  Project: [
    'SECURITY.md',
    'CHANGELOG.md',
    'UPGRADING.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'RELEASING.md',
    'CODE_OF_CONDUCT.md',
    'test/sim/README.md',
    'test/protocol/README.md',
  ],
}

const { exports } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'))
/** The sources of what can be imported. */
const entryPoints = Object.values(exports).flatMap(({ types }) =>
  types === undefined ? [] : [types.replace('./dist/', 'src/').replace('.d.ts', '.ts')],
)

/** A document is called as its heading says. */
function headingOf(document) {
  const [, heading] = /^# (.*)/.exec(document.content[0]?.text ?? '') ?? []
  if (heading === undefined) throw new Error(`${document.name} does not begin with a heading`)
  return heading
}

/** Methods for authors of back-ends are shown where they are explained, and not at each device again. */
function hideProtected(project, base) {
  for (const owner of project.getReflectionsByKind(ReflectionKind.ClassOrInterface)) {
    if (owner.name === base) continue
    for (const child of [...(owner.children ?? [])]) {
      if (child.flags.isProtected) project.removeReflection(child)
    }
  }
}

/** Each class has an example, which the tests run; those of the simulator are experimental. */
function findExamples(project, logger) {
  for (const one of project.getReflectionsByKind(ReflectionKind.Class)) {
    const isExperimental = one.parent?.name === 'shared-block-ring/sim'
    if (!isExperimental && one.comment?.getTag('@example') === undefined) {
      logger.warn(`${one.getFriendlyFullName()} has no example`)
    }
  }
}

/** Documents by chapter, modules under the names that they are imported by, and no machinery in between. */
function arrange(app) {
  const chapters = Object.entries(CHAPTERS)
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const path = document.project.files.getReflectionPath(document)
    const [chapter] =
      chapters.find(([, pages]) => pages.some((page) => path?.endsWith(`/${page}`))) ?? []
    if (chapter === undefined) throw new Error(`${document.name} is in no chapter`)
    document.comment = new Comment(
      [],
      [new CommentTag('@category', [{ kind: 'text', text: chapter }])],
    )
    document.name = headingOf(document)
  })
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    hideProtected(project, 'BaseBlockDevice')
    findExamples(project, app.logger)
  })
}

export default {
  name: 'shared-block-ring',
  plugin: [arrange],
  tsconfig: 'tsconfig.build.json',
  entryPoints,
  readme: 'README.md',
  projectDocuments: Object.values(CHAPTERS).flat(),
  out: 'site',
  cleanOutputDir: true,
  // The types are checked by `npm run typecheck`.
  skipErrorChecking: true,
  excludeInternal: true,
  excludePrivate: true,
  disableSources: true,
  disableGit: true,
  githubPages: false,
  hideGenerator: true,
  defaultCategory: 'Reference',
  categorizeByGroup: false,
  categoryOrder: ['Guide', 'Topics', 'Reference', 'Project'],
  navigation: { includeCategories: true, includeGroups: false, includeFolders: false },
  searchInComments: true,
  searchInDocuments: true,
  searchCategoryBoosts: { Guide: 60, Topics: 20, Project: 0.5 },
  highlightLanguages: [
    'typescript',
    'javascript',
    'shellscript',
    'json',
    'python',
    'sql',
    'mermaid',
  ],
  externalSymbolLinkMappings: { typescript: { '*': '#' }, '@types/node': { '*': '#' } },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
  validation: {
    notExported: true,
    invalidLink: true,
    invalidPath: true,
    rewrittenLink: true,
    notDocumented: true,
  },
  requiredToBeDocumented: [
    'Module',
    'Namespace',
    'Class',
    'Interface',
    'TypeAlias',
    'Function',
    'Variable',
  ],
  // What the simulator, which any version may change, and messages are made of; their members are shown in place.
  intentionallyNotExported: [
    'PoolsCounts',
    'PoolsOutcome',
    'Other',
    'CUMULATIVE',
    'DOUBLE',
    '__object.gauge',
    '__object.sum',
    '__object.histogram',
    'Where',
    'RequestFault',
    'EventFault',
    'DeviceFault',
    'Setting',
    'PauseKind',
    'HostsCounts',
    'Broken',
    'Loss',
    'Forgery',
    'Speed',
    'FaultRates',
    'Supplier',
    'Outcome',
    'SimCounts',
    'Mount',
    'ProducerStep',
    'ConsumerStep',
    'SimProcess',
    'Plan',
    'StorageContext',
    'COMMAND',
    'LeasedRole',
    'PushOptions',
    // They are shown as those of `shared-block-ring`.
    'src/ring/types.ts:Consumer',
    'src/ring/types.ts:Producer',
  ],
}
