"""How the page looks: on a phone, on a desk, in the dark, on paper."""

CSS = """
:root { color-scheme: light dark;
  --text: #1b2330; --faint: #5a6474; --page: #fbfbfa; --card: #fff; --line: #dfe3e8;
  --road: #e4e7eb; --soft: #b9d3ea; --data: #0b6cb3; --other: #c2500a; --gone: #e8b48f;
  --ghost: #8a93a1; --note: #fdf4dc; --note-line: #e3b341;
  --good: #127a4f; --fair: #a86400; --poor: #b3261e;
  --c0: #2c6fbb; --c1: #1b9e8a; --c2: #d9a400; --c3: #e2671f; --c4: #b3123f; }
@media (prefers-color-scheme: dark) { :root {
  --text: #e6e9ee; --faint: #a2abb9; --page: #12161c; --card: #1a2029; --line: #323a47;
  --road: #343d4b; --soft: #2f5678; --data: #63b3f0; --other: #f4934f; --gone: #7a4c2e;
  --ghost: #7d8796; --note: #2c2615; --note-line: #a97f22;
  --good: #5bd39b; --fair: #f0b450; --poor: #ff8a80;
  --c0: #6aa9ee; --c1: #3fd0b6; --c2: #f3cb4b; --c3: #ff944d; --c4: #ff5c83; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; color: var(--text); background: var(--page);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  overflow-wrap: anywhere; }
main, header, footer { max-width: 66rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 1.5rem; }
.kicker { margin: 0; color: var(--faint); font-size: .8rem; letter-spacing: .09em;
  text-transform: uppercase; }
h1 { font-size: 1.9rem; line-height: 1.15; margin: .1rem 0 .3rem; letter-spacing: -.015em; }
h2 { font-size: 1.3rem; line-height: 1.25; margin: 0 0 .75rem; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
p { margin: .5rem 0; max-width: 44rem; }
section { padding: 2rem 0 .5rem; border-top: 1px solid var(--line); margin-top: 1.5rem; }
section#drives { border-top: 0; margin-top: 0; padding-top: 1rem; }
section#drives h2 { font-size: .95rem; color: var(--faint); font-weight: 600; margin: 0;
  letter-spacing: 0; }
nav { margin: 1rem 0 0; } nav ul { display: flex; flex-wrap: wrap; gap: .35rem .5rem; margin: 0;
  padding: 0; list-style: none; font-size: .85rem; }
nav a { display: block; padding: .3rem .65rem; border: 1px solid var(--line); border-radius: 99px;
  color: var(--text); text-decoration: none; background: var(--card); }
nav a:hover, nav a:focus { border-color: var(--data); }
.faint { color: var(--faint); } .small, small { font-size: .85rem; color: var(--faint); }
code, pre { font: .87em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
p code { background: color-mix(in srgb, var(--line) 55%, transparent); padding: .05em .3em;
  border-radius: .25em; }
.answer { font-size: clamp(1.7rem, 5.2vw, 2.6rem); line-height: 1.12; font-weight: 700;
  letter-spacing: -.02em; margin: .15rem 0 .6rem; max-width: 24ch; text-wrap: balance; }
.answer.good { color: var(--good); } .answer.fair { color: var(--fair); }
.answer.poor { color: var(--poor); } .answer.unknown { color: var(--faint); }
.basis { color: var(--faint); }
.missing { background: var(--note); border-left: 3px solid var(--note-line); border-radius: .4rem;
  padding: .55rem .9rem; margin: .75rem 0; max-width: 46rem; }
.missing p { margin: .1rem 0; }
.missing pre { margin: .35rem 0 .2rem; white-space: pre-wrap; }
.grid { display: grid; gap: 1rem; margin: .75rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(19rem, 100%), 1fr)); }
.charts, .maps { grid-template-columns: repeat(auto-fill, minmax(min(24rem, 100%), 1fr)); }
.boxes { display: block; columns: 19rem; column-gap: 1rem; }
.boxes .facts { break-inside: avoid; margin-bottom: 1rem; }
.tiles { gap: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(min(14rem, 44%), 1fr)); }
.tile, .facts, figure { background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; padding: .85rem 1rem; margin: 0; }
.tile p { margin: 0; max-width: none; }
.tile { display: flex; flex-direction: column; }
.tile-title { font-weight: 600; font-size: .9rem; }
.tile-value { font-size: 1.9rem; line-height: 1.2; font-weight: 700; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums; }
.tile-value span { font-size: .9rem; font-weight: 500; color: var(--faint); letter-spacing: 0; }
.tile-range { font-size: .82rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
.tile-range span { display: block; } .tile-range .beside { color: var(--faint); }
.tile-below { font-size: .78rem; line-height: 1.35; color: var(--faint); padding-top: .35rem;
  margin-top: auto !important; }
.facts h3 { margin: 0 0 .4rem; font-size: .9rem; }
.facts dl { display: grid; grid-template-columns: fit-content(60%) minmax(0, 1fr); gap: .15rem 1rem;
  margin: 0; font-size: .9rem; }
dt { color: var(--faint); } dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
figure svg { display: block; width: 100%; height: auto; overflow: visible; }
.maps svg + svg { margin-top: .75rem; } .charts .facts { align-self: start; }
figcaption { font-size: .85rem; color: var(--faint); margin-top: .4rem; }
.chart-title { font-weight: 600; font-size: .95rem; margin: 0 0 .4rem; }
.maps svg.map { max-height: 30rem; }
svg text { font-size: 11px; fill: var(--text); }
svg text.tick, svg text.name { fill: var(--faint); }
svg text.strong { font-size: 12.5px; font-weight: 600; }
svg .rule { stroke: var(--line); fill: none; } svg .axis { stroke: var(--ghost); fill: none; }
svg .line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg .data { stroke: var(--data); } svg .other { stroke: var(--other); }
svg .limit { stroke: var(--ghost); stroke-dasharray: 4 3; stroke-width: 1.2; }
svg .centre { stroke: var(--ghost); stroke-width: .8; }
svg .drive { stroke: var(--data); stroke-width: 1; opacity: .65; }
svg .dots { fill: none; stroke-linecap: round; stroke-width: 5; }
svg .cloud { stroke-width: 3.8; opacity: .6; }
svg .fill-data { fill: var(--data); } svg .fill-soft { fill: var(--soft); }
svg .fill-gone { fill: var(--gone); }
svg .road { fill: var(--road); fill-rule: evenodd; }
svg .driven { fill: none; stroke-width: 2.2; stroke-linecap: round; stroke-linejoin: round; }
svg .c0 { stroke: var(--c0); } svg .c1 { stroke: var(--c1); } svg .c2 { stroke: var(--c2); }
svg .c3 { stroke: var(--c3); } svg .c4 { stroke: var(--c4); }
svg .start { fill: var(--card); stroke: var(--text); stroke-width: 1.4; }
svg .cross { stroke: var(--text); stroke-width: 2; fill: none; }
svg .lead { stroke: var(--text); stroke-width: 1; fill: none; }
svg circle.badge { fill: var(--text); }
svg text.badge { fill: var(--page); font-size: 11px; font-weight: 700; }
svg.whiskers { display: block; width: 100%; height: 1rem; margin: .15rem 0; overflow: visible; }
svg .whisker { stroke: var(--data); stroke-width: 4; stroke-linecap: round; opacity: .45; }
svg .dot { fill: var(--data); } svg .tick-expert { stroke: var(--text); stroke-width: 2; }
.key { display: flex; flex-wrap: wrap; gap: .1rem 1rem; list-style: none; margin: .4rem 0 0;
  padding: 0; font-size: .85rem; color: var(--faint); }
.key li { display: flex; align-items: center; gap: .4rem; }
.key svg { width: 14px; height: 10px; flex: none; }
.key .c0 { fill: var(--c0); } .key .c1 { fill: var(--c1); } .key .c2 { fill: var(--c2); }
.key .c3 { fill: var(--c3); } .key .c4 { fill: var(--c4); }
.key .stroke-data { fill: var(--data); } .key .stroke-other { fill: var(--other); }
.scroll { overflow-x: auto; margin: .75rem 0; -webkit-overflow-scrolling: touch; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  min-width: 100%; overflow-wrap: normal; }
.caption { color: var(--faint); font-size: .85rem; margin: 1rem 0 0; max-width: none; }
.caption + .scroll { margin-top: .2rem; }
svg.bar { display: block; width: 5.5rem; height: 5px; margin: .3rem 0 .1rem auto; }
svg.bar path { fill: var(--data); } svg.bar .rest { fill: var(--road); }
th, td { padding: .4rem .7rem .4rem 0; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; }
thead th { font-size: .8rem; font-weight: 600; color: var(--faint); vertical-align: bottom;
  min-width: 4.2rem; }
th.word, td.word { text-align: left; white-space: nowrap; } tbody th { font-weight: 600; }
tr > :last-child { padding-right: 0; }
td small, th small { display: block; white-space: nowrap; font-size: .78rem; font-weight: 400; }
tr.faint > * { color: var(--faint); font-weight: 400; }
.moment { margin: 1.25rem 0 1.75rem; } .moment h3 { margin: 0; }
.moment > p { margin: .1rem 0 .5rem; }
span.badge { display: inline-block; min-width: 1.5em; padding: 0 .35em; border-radius: 99px;
  text-align: center; background: var(--text); color: var(--page); font-size: .85em; }
.strip, .frames { display: grid; gap: .5rem; margin: 0; padding: 0; list-style: none;
  grid-template-columns: repeat(2, 1fr); }
.strip p, .frames p { margin: .15rem 0 0; font-size: .78rem; line-height: 1.35;
  color: var(--faint); font-variant-numeric: tabular-nums; }
.strip b { color: var(--text); }
img { display: block; width: 100%; height: auto; border-radius: .3rem; background: var(--road); }
.here img { outline: 3px solid var(--other); outline-offset: -1px; }
footer { padding-top: 2rem; padding-bottom: 2rem; color: var(--faint); font-size: .85rem; }
@media (min-width: 34rem) { .strip, .frames { grid-template-columns: repeat(3, 1fr); } }
@media (min-width: 58rem) { .strip { grid-template-columns: repeat(6, 1fr); }
  h1 { font-size: 2.3rem; }
  .chart text, .map text { font-size: 9.5px; } }
@page { margin: 14mm 13mm; }
@media print {
  :root { color-scheme: light;
    --text: #111; --faint: #4b5563; --page: #fff; --card: #fff; --line: #d5d9df; --road: #e4e7eb;
    --soft: #b9d3ea; --data: #0b6cb3; --other: #c2500a; --gone: #e8b48f; --ghost: #8a93a1;
    --note: #fdf4dc; --note-line: #e3b341; --good: #127a4f; --fair: #a86400; --poor: #b3261e;
    --c0: #2c6fbb; --c1: #1b9e8a; --c2: #d9a400; --c3: #e2671f; --c4: #b3123f; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { font-size: 9.5pt; } main, header, footer { max-width: none; padding: 0; }
  nav { display: none; }
  section { padding-top: 1.1rem; margin-top: .8rem; }
  h2, h3, .chart-title, .caption { break-after: avoid; }
  .tile, .facts, figure, .moment, tr, .missing { break-inside: avoid; }
  .grid { grid-template-columns: repeat(2, 1fr); gap: .6rem; }
  .tiles { grid-template-columns: repeat(4, 1fr); } .boxes { columns: 2; font-size: .85em; }
  .tile, .facts, figure { padding: .5rem .65rem; } .tile-value { font-size: 1.5rem; }
  .strip { grid-template-columns: repeat(6, 1fr); gap: .25rem; }
  .frames { grid-template-columns: repeat(3, 1fr); }
  .strip p, .frames p { font-size: 6.8pt; } .scroll { overflow: visible; }
  table { font-size: 7.8pt; } td small, th small { font-size: 6.8pt; } thead th { min-width: 0;
    font-size: 7.2pt; } th, td { padding-right: .4rem; }
  .maps svg.map { max-height: 22rem; } }
"""
