// In the pages of the site: draws their Mermaid diagrams, in the colours of the page. What draws is large, and loaded by pages that
// have a diagram.
const own = document.currentScript.src

const isDark = () => {
  const { theme } = document.documentElement.dataset
  return theme === 'os' || theme === undefined
    ? matchMedia('(prefers-color-scheme: dark)').matches
    : theme === 'dark'
}

/** A figure in place of each diagram's source, and how it is drawn. */
function figures() {
  return [...document.querySelectorAll('pre > code.mermaid')].map((code, index) => {
    // Each line ends with an element.
    for (const end of code.querySelectorAll('br')) end.replaceWith('\n')
    const source = code.textContent
    const figure = document.createElement('figure')
    figure.className = 'diagram'
    // It scrolls where it is wider than the window, also by the keyboard.
    figure.tabIndex = 0
    const headings = [...document.querySelectorAll('h1, h2, h3')].filter(
      (each) => each.compareDocumentPosition(code) & Node.DOCUMENT_POSITION_FOLLOWING,
    )
    const name = `Diagram: ${headings.at(-1)?.textContent.trim() ?? document.title}`
    figure.setAttribute('role', 'group')
    figure.setAttribute('aria-label', name)
    return async (mermaid) => {
      const { svg } = await mermaid.render(`diagram-${index}`, source)
      figure.innerHTML = svg
      const picture = figure.querySelector('svg')
      picture.setAttribute('role', 'img')
      picture.removeAttribute('aria-roledescription')
      picture.setAttribute('aria-label', name)
      code.parentElement?.replaceWith(figure)
    }
  })
}

/** The page is hidden while its navigation loads; labels that are drawn then have no width, and some diagrams fail. */
function shown() {
  const isShown = () => document.body.style.display !== 'none'
  return new Promise((resolve) => {
    if (isShown()) return resolve()
    const observer = new MutationObserver(() => {
      if (!isShown()) return
      observer.disconnect()
      resolve()
    })
    observer.observe(document.body, { attributeFilter: ['style'] })
  })
}

async function drawAll() {
  const draws = figures()
  if (draws.length === 0) return
  await new Promise((resolve, reject) => {
    const script = document.createElement('script')
    script.src = new URL('mermaid.js', own).href
    script.onload = resolve
    script.onerror = reject
    document.head.append(script)
  })
  await shown()
  let drawn
  let drawing = Promise.resolve()
  const draw = async () => {
    const dark = isDark()
    if (dark === drawn) return
    drawn = dark
    const { mermaid } = globalThis
    mermaid.initialize({
      startOnLoad: false,
      theme: dark ? 'dark' : 'neutral',
      fontFamily: 'inherit',
    })
    for (const each of draws) await each(mermaid)
  }
  const redraw = () => {
    drawing = drawing.then(draw)
    return drawing
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw)
  new MutationObserver(redraw).observe(document.documentElement, {
    attributeFilter: ['data-theme'],
  })
  await redraw()
}

// The site's pages load it when all of them is there.
void drawAll()
