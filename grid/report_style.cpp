#include "grid/report_style.h"

namespace thaw::grid {

// Colours of models (--m0 to --m4) are told apart by people who see red and green alike, too, and have a contrast of at
// least 3 to 1 on their ground; shapes say the same once more.
const std::string_view kReportStyle = R"(
:root { color-scheme: light dark;
  --ground: #ffffff; --panel: #f6f7f8; --ink: #1b1f23; --soft: #5c6670; --line: #d9dee3; --grid: #e8ebee;
  --best: #eef4fb; --loud: #8f1d1d; --loud-ground: #fdecea; --note: #7a5200; --note-ground: #fdf5e2;
  --m0: #1763a6; --m1: #c04a0b; --m2: #0e7a5c; --m3: #8b459f; --m4: #806600; --shade: #00000024; --heat: 23 99 166; --error: 192 74 11; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #14171a; --panel: #1c2024; --ink: #e6e9ec; --soft: #9ba5ae; --line: #363d44; --grid: #272d32;
  --best: #1b2a3a; --loud: #ffb4ab; --loud-ground: #4a1513; --note: #f2d08a; --note-ground: #3a2e12;
  --m0: #71b5f3; --m1: #f79a5f; --m2: #5fcda6; --m3: #d6a2e8; --m4: #dcc257; --shade: #00000090; --heat: 113 181 243; --error: 247 154 95; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: clamp(1.25rem, 4vw, 3.5rem) clamp(1rem, 4vw, 3.5rem); max-width: 104rem;
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; color: var(--ink); background: var(--ground);
  overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
h1 { font-size: clamp(1.5rem, 4vw, 2.1rem); line-height: 1.2; margin: 0 0 .4rem; font-weight: 650; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 3.2rem 0 .9rem; font-weight: 650; }
h3 { font-size: .95rem; margin: 1.6rem 0 .6rem; font-weight: 600; color: var(--soft); }
p { margin: .5rem 0; } a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: .2em; }
.lead { color: var(--soft); margin: 0 0 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; font-size: .88rem; margin: 1rem 0 1.8rem; }
.notice { padding: .75rem 1rem; margin: .8rem 0; border-radius: .35rem; background: var(--note-ground); color: var(--note); }
.notice.loud { background: var(--loud-ground); color: var(--loud); border: 2px solid currentColor; font-weight: 650; font-size: 1.08rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: 1rem; margin: 1.4rem 0; }
.tile { background: var(--panel); border-radius: .5rem; padding: 1rem 1.2rem; border-top: 3px solid var(--c, var(--line)); }
.tile p { margin: 0; color: var(--soft); font-size: .9rem; } .tile .big { font-size: 1.9rem; line-height: 1.3; color: var(--ink); font-weight: 600; }
.findings { display: grid; grid-template-columns: 10rem minmax(0, 56rem); margin: 0; }
.findings dt { font-weight: 600; padding: .7rem 0; border-top: 1px solid var(--grid); } .findings dd { margin: 0; padding: .7rem 0; border-top: 1px solid var(--grid); }
.findings p { margin: 0 0 .45rem; } .findings p:last-child { margin: 0; }
@media (max-width: 44rem) { .findings { display: block; } .findings dt { padding-bottom: 0; } .findings dd { border: 0; padding-top: .2rem; } }
.remarks { font-size: .86rem; color: var(--soft); max-width: 54rem; padding-left: 1.1rem; margin: 1rem 0; }
.scroll { overflow-x: auto; margin: .6rem 0; max-width: 100%;
  background: linear-gradient(to left, var(--ground) 60%, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to left, var(--shade), transparent) right / 1rem 100% no-repeat scroll; } .scroll:focus-visible { outline: 2px solid var(--m0); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .86rem; line-height: 1.35; overflow-wrap: normal; } table.experiments { width: 100%; }
th, td { padding: .36rem .6rem; text-align: left; vertical-align: baseline; border-bottom: 1px solid var(--grid); white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; border-bottom: 1px solid var(--line); }
thead th[rowspan="2"] { white-space: normal; } th.group { text-align: center; border-bottom-color: transparent; padding-bottom: 0; }
tbody th { font-weight: 600; } .n { text-align: right; } .start { padding-left: 1.3rem; } .quiet { color: var(--soft); }
.first { position: sticky; left: 0; background: var(--ground); }
.code { color: var(--soft); font: .92em ui-monospace, "Liberation Mono", Menlo, monospace; }
.test { font-weight: 600; } tr.best > *, tr.best .first { background: var(--best); } tr.best .test { font-weight: 750; } tr.best th[rowspan] { background: none; }
tr.open td { color: var(--soft); } td.state { color: var(--ink); font-weight: 600; } tr:has(+ .why) > * { border-bottom: 0; }
.why td { padding-top: 0; } .why div { position: sticky; left: 3.2rem; width: min(46rem, 76vw); white-space: normal; overflow-wrap: anywhere; color: var(--soft); } .why p { margin: 0; }
.confusion .cell { background: rgb(var(--heat) / calc(var(--share) * .5)); } .confusion .wrong { background: rgb(var(--error) / calc(min(var(--share) * 4, 1) * .5)); }
.settings th { font-weight: 500; color: var(--soft); } .settings .value { white-space: normal; overflow-wrap: anywhere; min-width: 12rem; }
.settings tr.group th { color: var(--ink); font-weight: 650; padding-top: 1.3rem; text-align: left; border-bottom-color: var(--line); }
figure { margin: 0 0 1.8rem; } figcaption { color: var(--soft); font-size: .88rem; margin-top: .3rem; } figcaption b { color: var(--ink); }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem 2rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1rem 2.5rem; align-items: start; }
.chart { display: block; width: 100%; height: auto; max-width: 38rem; } .wide .chart { min-width: 35rem; max-width: 66rem; }
.chart text { fill: var(--soft); font-size: 12.5px; } .chart .label { fill: var(--ink); }
.grid { stroke: var(--grid); fill: none; } .base { stroke: var(--line); fill: none; }
.m0 { --c: var(--m0); } .m1 { --c: var(--m1); } .m2 { --c: var(--m2); } .m3 { --c: var(--m3); } .m4 { --c: var(--m4); } .neutral { --c: var(--soft); }
.ours { fill: var(--c); stroke: var(--ground); stroke-width: 1; } .published { fill: var(--ground); stroke: var(--c); stroke-width: 1.6; }
.mark:hover { stroke: var(--ink); stroke-width: 2; }
.bar { fill: none; stroke: var(--c); stroke-width: 1.5; } .line { fill: none; stroke: var(--c); stroke-width: 1.5; opacity: .55; }
.line.published { stroke-dasharray: 4 4; } .rule { stroke: var(--c, var(--soft)); stroke-width: 1.5; stroke-dasharray: 1.5 4; stroke-linecap: round; fill: none; }
.curve { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; } .curve.train { stroke-dasharray: 4 3; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0; margin: .3rem 0; font-size: .88rem; }
.legend li { display: inline-flex; align-items: center; gap: .4rem; } .key { width: 16px; height: 16px; flex: none; } .key.wide { width: 28px; }
.multiples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr)); gap: 1rem 1.4rem; }
.small p { margin: 0 0 .15rem; font-size: .85rem; } .small p b { margin-right: .3em; } .small i { color: var(--soft); } .small .chart text { font-size: 11px; }
details { margin: 1.2rem 0; } summary { cursor: pointer; color: var(--soft); }
footer { margin-top: 3.5rem; color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); padding-top: 1rem; }
@media print { @page { size: A4 landscape; margin: 12mm; } nav { display: none; }
  body { padding: 0; max-width: none; font-size: 10pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  table { font-size: 7pt; } th, td { padding: .22rem .35rem; } .scroll { overflow: visible; } .wide .chart { min-width: 0; } .first { position: static; }
  figure, .small, .tile, tr { break-inside: avoid; } h2, h3, .curves > .legend { break-after: avoid; } }
)";

}  // namespace thaw::grid
