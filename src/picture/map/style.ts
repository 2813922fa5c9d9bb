/** The colours of a map, by day and by night. The page has the same. */
export const COLOURS = `
:root{--back:#fff;--ink:#1b1d21;--muted:#5b616b;--free:#e6e9ef;--used:#2f6fc4;--part:#d3d8e2;--current:#b9dfb4;--bad:#b3261e;--stripe:#ffd9d4;--line:#9aa1ad;--good:#2e7d32;--card:#f6f7f9}
@media (prefers-color-scheme:dark){:root{--back:#14161a;--ink:#e8eaee;--muted:#a3a9b5;--free:#262a32;--used:#5b9bf0;--part:#3a404b;--current:#2f5d34;--bad:#ff8a80;--stripe:#5c1a16;--line:#6b7280;--good:#6fbf73;--card:#1c1f25}}
`

export const MAP_STYLE = `
.map{font:12px system-ui,sans-serif;max-width:100%}
.map text{fill:var(--ink)}
.map .label{font-size:11px}
.map .heading{font-size:15px;font-weight:600}
.map .muted{fill:var(--muted);font-size:11px}
.map .alert{fill:var(--bad);font-weight:700;font-size:11px}
.map .back{fill:var(--back)}
.map .free{fill:var(--free)}
.map .used{fill:var(--used)}
.map .part{fill:var(--part)}
.map .current{fill:var(--current)}
.map .damage{fill:var(--bad)}
.map .stripe{fill:var(--stripe)}
.map .zoom,.map .line{fill:none;stroke:var(--line);stroke-dasharray:2 2}
.map .epoch{stroke:var(--ink);stroke-width:1.5}
.map .head path,.map .tail path{fill:var(--ink)}
`
