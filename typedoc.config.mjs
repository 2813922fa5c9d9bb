// The site: `npm run docs` builds it into site/, from the documents of this repository and the doc comments of what the package
// exports.
import { copyFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  Comment,
  CommentTag,
  Converter,
  DefaultTheme,
  PageEvent,
  ReflectionKind,
  RendererEvent,
} from 'typedoc'

/** The documents, in the order of the site's navigation. README.md is the first page. */
const CHAPTERS = {
  Guide: [
    'docs/README.md',
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
    'docs/glossary.md',
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

/** Shapes that OpenTelemetry describes; the package does not. */
const OF_OPENTELEMETRY = /^(OpenTelemetry|Trace|Tracing)/

function isOfParameter({ parent }) {
  return (
    parent?.kind === ReflectionKind.Parameter || (parent !== undefined && isOfParameter(parent))
  )
}

/**
 * Each member says what it is. The simulator’s may change in any version; a literal that tells a union’s arms apart speaks for itself,
 * and the options of a single call are explained by that.
 */
function findUndocumented(project, logger) {
  const { Property, Method, Accessor } = ReflectionKind
  for (const one of project.getReflectionsByKind(Property | Method | Accessor)) {
    const [module, owner = ''] = one.getFriendlyFullName().split(/\.(?=[A-Z])/)
    const isExempt =
      one.type?.type === 'literal' ||
      one.name.startsWith('[') ||
      one.flags.isExternal ||
      isOfParameter(one) ||
      module.startsWith('shared-block-ring/sim') ||
      (module === 'shared-block-ring/metrics' && OF_OPENTELEMETRY.test(owner))
    const said = [one, one.getSignature, ...(one.signatures ?? [])]
    if (!isExempt && !said.some((part) => part?.hasComment())) {
      logger.warn(`${one.getFriendlyFullName()} has no comment`)
    }
  }
}

/** What opens and closes in the navigation is no link itself: its own page comes first in it. */
class Theme extends DefaultTheme {
  buildNavigation(project) {
    return super.buildNavigation(project).map(apartFromLink)
  }
}

function apartFromLink({ children, ...element }) {
  if (children === undefined) return element
  const inside = children.map(apartFromLink)
  const { path, ...opener } = element
  return { ...opener, children: path === undefined ? inside : [element, ...inside] }
}

/** For small windows, keyboards and screen readers: tables scroll, and what opens and closes has no link in it. */
function accessible(page) {
  page.contents = page.contents
    ?.replaceAll(
      '<table>',
      '<div class="scrolls" role="group" aria-label="Table" tabindex="0"><table>',
    )
    .replaceAll('</table>', '</table></div>')
    .replaceAll(/<summary.*?<\/summary>/gs, (summary) =>
      summary.replaceAll(/<a [^>]*aria-label="Permalink".*?<\/a>/gs, ''),
    )
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
  app.renderer.defineTheme('site', Theme)
  app.renderer.on(PageEvent.END, accessible)
  // What draws diagrams is a file of the site: its pages load nothing from elsewhere.
  app.renderer.on(RendererEvent.END, ({ outputDirectory }) => {
    const drawing = fileURLToPath(import.meta.resolve('@mermaid-js/tiny'))
    copyFileSync(drawing, join(outputDirectory, 'assets/mermaid.js'))
  })
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    hideProtected(project, 'BaseBlockDevice')
    findExamples(project, app.logger)
  })
  // After comments were inherited.
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => findUndocumented(project, app.logger),
    -10_000,
  )
}

export default {
  name: 'shared-block-ring',
  plugin: [arrange],
  tsconfig: 'tsconfig.build.json',
  entryPoints,
  readme: 'README.md',
  projectDocuments: Object.values(CHAPTERS).flat(),
  out: 'site',
  theme: 'site',
  // FORMAT.md in a sentence is a document, not a host.
  markdownItOptions: { linkify: false },
  customJs: 'docs/site/diagrams.js',
  customCss: 'docs/site/style.css',
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
    'GroupsCounts',
    'GroupsOutcome',
    'PoolsCounts',
    'PoolsOutcome',
    'Other',
    'CUMULATIVE',
    'DOUBLE',
    '__object.gauge',
    '__object.sum',
    '__object.histogram',
    'RequestFault',
    'EventFault',
    'DeviceFault',
    'Setting',
    'PauseKind',
    'HostsCounts',
    'Broken',
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
    'QueueConsumer',
    'COMMAND',
    // They are shown as those of `shared-block-ring`.
    'src/ring/types.ts:Consumer',
    'src/ring/types.ts:Producer',
  ],
}
