/** The page of `sbr serve`. It knows a ring only as what it was sent, and shows that as text, never as markup. */
import { counted, grouped, safeText } from '../../text/render.ts'
import { answersOf, leadOf } from '../answers.ts'
import { History, type Point } from '../history.ts'
import { drawCharts } from '../map/charts.ts'
import { drawMap } from '../map/map.ts'
import type { FoundDamage } from '../serve/findings.ts'
import type { ItemSeen } from '../serve/items.ts'
import type { Update } from '../serve/subscribers.ts'
import { type Damage, isSeen, type Snapshot } from '../snapshot.ts'
import { byId, element, setText, svgElement } from './elements.ts'
import { type Form, itemText } from './item-text.ts'
import { RingTable } from './table.ts'

/** After this long without an update, the page is marked as stale. */
const STALE_MS = 5000
const LEAST_WIDTH = 300

interface Ring {
  snapshot: Snapshot
  readonly history: History
  /** True if the history from before this page was opened has been requested. */
  readonly isWhole?: boolean
}

const rings: Ring[] = []
let selected: number | undefined
let found: readonly Damage[] = []
let toldAt = 0

const status = byId('status', HTMLElement)
const list = byId('list', HTMLElement)
const detail = byId('ring', HTMLElement)
const table = new RingTable(list)

function show(): void {
  detail.hidden = selected === undefined
  list.hidden = selected !== undefined
  if (selected === undefined) {
    table.show(rings)
    return
  }
  const ring = rings[selected]
  if (ring === undefined) return
  const { snapshot, history } = ring
  const name = isSeen(snapshot) && snapshot.ring?.name ? ` “${snapshot.ring.name}”` : ''
  setText(byId('name', HTMLElement), `${snapshot.device}${name}`)
  const seen = withFound(snapshot)
  showAnswers(seen, history)
  const width = Math.max(LEAST_WIDTH, detail.clientWidth)
  const map = byId('map', HTMLElement)
  if (isSeen(seen)) map.replaceChildren(svgElement(drawMap(seen, { width, id: 'map' })))
  else map.replaceChildren()
  const charts = byId('charts', HTMLElement)
  const columns = getComputedStyle(charts).gridTemplateColumns.split(' ').length
  charts.replaceChildren(...drawCharts(history.points, Math.floor(width / columns)).map(svgElement))
}

/** A snapshot with the damage that a check of every item has found. */
function withFound(snapshot: Snapshot): Snapshot {
  if (!isSeen(snapshot)) return snapshot
  const { damage } = snapshot
  const isKnown = (one: Damage): boolean =>
    damage.some(({ offset, structure }) => offset === one.offset && structure === one.structure)
  return { ...snapshot, damage: [...damage, ...found.filter((one) => !isKnown(one))] }
}

function showAnswers(snapshot: Snapshot, history: History): void {
  const answers = answersOf(snapshot, history.rates)
  const container = byId('answers', HTMLElement)
  const names = answers.map(({ name }) => name).join()
  if (container.dataset['names'] !== names) {
    container.dataset['names'] = names
    container.replaceChildren(
      ...answers.map(({ title }) =>
        element(
          'div',
          '',
          element('dt', '', title),
          element('dd', '', element('strong', ''), element('span', '')),
        ),
      ),
    )
  }
  for (const [index, answer] of answers.entries()) {
    const card = container.children[index]
    const [lead, rest] = card?.querySelectorAll('dd > *') ?? []
    if (card === undefined || lead === undefined || rest === undefined) continue
    const [first, others] = leadOf(answer)
    setText(lead, first)
    setText(rest, others)
    if (card.className !== answer.mood) card.className = answer.mood
  }
}

function take({ at, steadyAt, rings: changed }: Update): void {
  toldAt = performance.now()
  for (const [index, snapshot] of Object.entries(changed)) {
    const known = rings[Number(index)]
    if (known === undefined) rings[Number(index)] = { snapshot, history: new History() }
    else known.snapshot = snapshot
  }
  for (const [index, ring] of rings.entries()) {
    if (!(index in changed)) ring.snapshot = { ...ring.snapshot, at }
    ring.history.add(ring.snapshot, steadyAt)
  }
  setText(status, `live: ${rings.length} ${rings.length === 1 ? 'ring' : 'rings'}`)
  document.body.classList.remove('stale')
  if (rings.length === 1 && selected === undefined && location.hash === '') select(0)
  fillHistory()
  show()
}

function select(index: number | undefined): void {
  selected = index
  found = []
  byId('findings', HTMLElement).replaceChildren()
  byId('entries', HTMLElement).replaceChildren()
  setText(byId('verified', HTMLElement), '')
  fillHistory()
}

/**
 * Requests the history of the selected ring, once that ring is known, which it is not when the page opens at its
 * address.
 */
function fillHistory(): void {
  const ring = selected === undefined ? undefined : rings[selected]
  if (selected === undefined || ring === undefined || ring.isWhole) return
  rings[selected] = { ...ring, isWhole: true }
  void loadHistory(selected)
}

/** Loads the history from before this page was opened. */
async function loadHistory(index: number): Promise<void> {
  const points = await ask<readonly Point[]>(`api/history?ring=${index}`)
  const ring = rings[index]
  if (ring === undefined || !Array.isArray(points)) return
  const own = ring.history.points
  const history = new History()
  for (const point of [
    ...points.filter(({ at }) => at < (own[0]?.at ?? Number.POSITIVE_INFINITY)),
    ...own,
  ])
    history.put(point)
  rings[index] = { ...ring, history }
}

/** An answer of the server, or why there is none. */
async function ask<T>(address: string): Promise<T | string> {
  try {
    const response = await fetch(address)
    if (response.ok) return (await response.json()) as T
    return `${response.status}: ${(await response.text()).slice(0, 300)}`
  } catch (error) {
    return String(error)
  }
}

async function verify(): Promise<void> {
  const told = byId('verified', HTMLElement)
  const index = selected
  setText(told, 'checking…')
  const answer = await ask<FoundDamage>(`api/findings?ring=${index}`)
  if (index !== selected) return
  if (typeof answer === 'string') return setText(told, answer)
  found = answer.findings
  const checked = answer.items === undefined ? '' : `, ${counted(answer.items, 'item')}`
  setText(
    told,
    `${answer.sound ? 'sound' : 'damaged'}${checked}${answer.more > 0 ? `, ${counted(answer.more, 'more finding')}` : ''}`,
  )
  byId('findings', HTMLElement).replaceChildren(
    ...answer.findings.map(({ severity, structure, offset, problem, advice }) =>
      element(
        'li',
        severity === 'damage' ? 'bad' : '',
        `${structure} at byte ${grouped(offset)}: ${problem}; ${advice}`,
      ),
    ),
  )
  show()
}

async function readItems(): Promise<void> {
  const form = byId('form', HTMLSelectElement).value as Form
  const items = await ask<readonly ItemSeen[]>(`api/items?ring=${selected}`)
  const entries = byId('entries', HTMLElement)
  if (typeof items === 'string') return entries.replaceChildren(element('li', 'bad', items))
  if (items.length === 0) return entries.replaceChildren(element('li', '', 'nothing waits'))
  entries.replaceChildren(
    ...items.map((item) => {
      const { heading, body } = itemText(item, form)
      const shown = element('pre', '')
      shown.textContent = body
      return element('li', '', element('p', '', heading), shown)
    }),
  )
}

function route(): void {
  const [, number] = /^#(\d{1,6})$/.exec(location.hash) ?? []
  select(number === undefined ? undefined : Number(number))
  show()
  if (number !== undefined) byId('name', HTMLElement).scrollIntoView()
}

const events = new EventSource('api/events')
events.onmessage = (event) => take(JSON.parse(event.data) as Update)
events.onerror = () => setText(status, 'not connected; trying again')
setInterval(() => {
  if (performance.now() - toldAt > STALE_MS) document.body.classList.add('stale')
}, 1000)
byId('verify', HTMLButtonElement).onclick = () => void verify()
byId('read', HTMLButtonElement).onclick = () => void readItems()
byId('form', HTMLSelectElement).onchange = () => void readItems()
addEventListener('hashchange', route)
addEventListener('resize', show)
addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && selected !== undefined) location.hash = '#rings'
})
void ask<{ readonly showItems: boolean }>('api/settings').then((settings) => {
  if (typeof settings !== 'string') byId('items', HTMLElement).hidden = !settings.showItems
})
document.title = safeText(`Rings on ${location.host}`)
route()
