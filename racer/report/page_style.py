"""The style sheet of a report: light and dark, wide and narrow, and paper."""

STYLE = """
:root { color-scheme: light dark;
  --page: #f5f6f8; --card: #ffffff; --ink: #16191f; --soft: #596273; --rule: #e1e4ea; --tick: #a9b1bf;
  --accent: #0b63ce; --code: #f8f9fb;
  --c0: #0b63ce; --c1: #c2570c; --c2: #14804a; --c3: #7c3fc4; --c4: #cb2440; --c5: #0e7c86; --c6: #7b8494; }
@media (prefers-color-scheme: dark) { :root {
  --page: #101318; --card: #191d24; --ink: #e8ebf0; --soft: #9aa4b5; --rule: #2b313c; --tick: #5a6577;
  --accent: #6fb1ff; --code: #14181e;
  --c0: #62a8ff; --c1: #f59a4a; --c2: #4ec88a; --c3: #bd93f9; --c4: #ff6b81; --c5: #4fc9d4; --c6: #8b95a6; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  -webkit-text-size-adjust: 100%; }
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 36px; }
h1 { margin: 0; font-size: 2.1rem; line-height: 1.15; letter-spacing: -.02em; overflow-wrap: anywhere; }
h2 { margin: 44px 0 14px; font-size: 1.3rem; letter-spacing: -.01em; }
h3 { margin: 0; font-size: 1rem; font-weight: 600; overflow-wrap: anywhere; }
p { margin: 6px 0; }
.lead, .note, figcaption, footer { color: var(--soft); }
.lead { margin: 8px 0 0; overflow-wrap: anywhere; }
.note, figcaption { font-size: .875rem; }
a { color: var(--accent); }
.state { display: inline-block; margin-right: 8px; padding: 0 10px; border-radius: 99px; font-size: .8125rem;
  font-weight: 600; line-height: 1.6rem; color: var(--card); background: var(--c2); vertical-align: 2px; }
.state.open { background: var(--c1); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 1px; margin: 26px 0 0;
  padding: 0; background: var(--rule); border: 1px solid var(--rule); border-radius: 14px; overflow: hidden; }
.figures div { background: var(--card); padding: 16px 18px; }
.figures dt { color: var(--soft); font-size: .8125rem; }
.figures dd { margin: 0; font-size: 1.6rem; font-weight: 650; letter-spacing: -.02em; line-height: 1.25;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.figures small { display: block; min-height: 1.2em; color: var(--soft); font-size: .8125rem; font-weight: 400;
  letter-spacing: 0; }
.warnings { margin: 18px 0 0; padding: 10px 18px; list-style: none; border-left: 4px solid var(--c1);
  border-radius: 4px; background: var(--card); overflow-wrap: anywhere; }
.grid2 { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); gap: 18px; }
figure, .card { margin: 0; padding: 18px 20px 14px; min-width: 0; background: var(--card);
  border: 1px solid var(--rule); border-radius: 14px; }
svg { display: block; width: 100%; height: auto; margin-top: 8px; }
svg.map { max-height: 31rem; margin: 12px 0 8px; --c0: #62a8ff; --c1: #ff9838; --c2: #4ec88a; --c3: #c79fff;
  --c4: #ff6b81; --c5: #4fc9d4; --c6: #b4bccb; }
svg text { fill: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }
svg text.label { font-size: 13px; }
svg text.value { fill: var(--ink); text-anchor: middle; }
.grid { stroke: var(--rule); stroke-width: 1; fill: none; }
svg .grid { display: inline; }
.tick { stroke: var(--tick); stroke-width: 1; fill: none; }
.line { fill: none; stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round; }
.area { shape-rendering: crispEdges; }
.side { opacity: .45; }
.none { fill: var(--tick); }
.way { fill: none; stroke-width: 7; stroke-linecap: round; }
.casing { fill: none; stroke: #0b0d10; stroke-opacity: .55; stroke-width: 10.5; stroke-linecap: round;
  stroke-linejoin: round; }
.map .dot { stroke: #0b0d10; stroke-opacity: .6; stroke-width: 2; }
.cross { stroke-width: 4.5; } .cross.casing { stroke-width: 8; }
.line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); }
.line.c3 { stroke: var(--c3); } .line.c4 { stroke: var(--c4); } .line.c5 { stroke: var(--c5); }
.line.c6 { stroke: var(--c6); }
.fill.c0 { fill: var(--c0); } .fill.c1 { fill: var(--c1); } .fill.c2 { fill: var(--c2); }
.fill.c3 { fill: var(--c3); } .fill.c4 { fill: var(--c4); } .fill.c5 { fill: var(--c5); }
.fill.c6 { fill: var(--c6); }
.keys { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 6px 0 0; padding: 0; list-style: none;
  color: var(--soft); font-size: .875rem; }
.keys li { overflow-wrap: anywhere; }
.keys b { display: inline-block; width: 11px; height: 11px; margin-right: 6px; border-radius: 3px; }
.b0 { background: var(--c0); } .b1 { background: var(--c1); } .b2 { background: var(--c2); }
.b3 { background: var(--c3); } .b4 { background: var(--c4); } .b5 { background: var(--c5); }
.b6 { background: var(--c6); }
.ramp { display: flex; align-items: center; gap: 10px; margin: 0 0 4px; color: var(--soft); font-size: .875rem;
  font-variant-numeric: tabular-nums; }
.ramp .bar { flex: 1; max-width: 230px; height: 9px; border-radius: 9px; }
.scroll { overflow: auto; max-height: 30rem; }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { position: sticky; top: 0; background: var(--card); color: var(--soft); font-weight: 500; }
th.words, td.words { text-align: left; }
.facts th { position: static; width: 1%; text-align: left; vertical-align: top; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
tr:last-child > * { border-bottom: 0; }
tr.best td { background: color-mix(in srgb, var(--c2) 13%, transparent); font-weight: 600; }
pre.source { margin: 10px 0 0; padding: 12px 0; max-height: 42rem; overflow: auto; counter-reset: row;
  background: var(--code); border: 1px solid var(--rule); border-radius: 10px; font-size: .8125rem; line-height: 1.55;
  font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; tab-size: 4; }
pre.source code { font: inherit; display: block; min-width: max-content; }
pre.source span { counter-increment: row; display: block; padding-right: 16px; }
pre.source span::before { content: counter(row); display: inline-block; width: 3.6em; padding-right: 1.2em;
  text-align: right; color: var(--soft); opacity: .75; user-select: none; }
pre.source i { font-style: normal; }
.com { color: var(--soft); } .str { color: var(--c2); } .key { color: var(--c3); }
details summary { cursor: pointer; font-weight: 600; }
footer { padding-top: 36px; padding-bottom: 44px; font-size: .875rem; }
@media (max-width: 560px) {
  main, header, footer { padding-left: 12px; padding-right: 12px; }
  header { padding-top: 22px; }
  h1 { font-size: 1.6rem; }
  h2 { margin-top: 32px; }
  .figures { grid-template-columns: 1fr 1fr; } .figures div { padding: 12px 14px; } .figures dd { font-size: 1.3rem; }
  figure, .card { padding: 14px 12px 10px; }
  svg text, svg text.label { font-size: 15px; }
  .way { stroke-width: 9; } .casing { stroke-width: 13; }
  th, td { padding: 6px 8px; } }
@media print { body { background: none; } figure, .card { break-inside: avoid; }
  .scroll, pre.source { max-height: none; overflow: visible; } }
"""
