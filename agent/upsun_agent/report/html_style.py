"""The style sheet of the pages: light and dark, for phones, desktops and print."""

from __future__ import annotations

SHEET = """\
:root{color-scheme:light dark;
--bg:#f6f7f9;--card:#fff;--ink:#1d2630;--dim:#55606d;--rule:#dde2e8;--accent:#1f56b0;
--good:#17693c;--good-bg:#dff3e7;--bad:#a8201a;--bad-bg:#fbe0de;--odd:#7a4f00;--odd-bg:#fcefcc;
--live:#1f56b0;--live-bg:#dfe9fb;--dim-bg:#e9ecf0;--bar:#5b87cf;--bar-bad:#c7443d}
@media screen and (prefers-color-scheme:dark){:root{
--bg:#12161b;--card:#1a2027;--ink:#e4e8ee;--dim:#a3aebb;--rule:#303944;--accent:#8fb7ff;
--good:#83d6a5;--good-bg:#17382a;--bad:#ff9d95;--bad-bg:#47211f;--odd:#f3c766;--odd-bg:#40331a;
--live:#8fb7ff;--live-bg:#1d3050;--dim-bg:#262e37;--bar:#6f9be6;--bar-bad:#f07f77}}
*{box-sizing:border-box}
html{font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
background:var(--bg);color:var(--ink);-webkit-text-size-adjust:100%;scroll-padding-top:1rem}
body{margin:0 auto;max-width:72rem;padding:1.5rem 1rem 3rem;overflow-wrap:anywhere}
h1{font-size:1.6rem;line-height:1.2;margin:0 0 .25rem;letter-spacing:-.01em}
h2{font-size:1.2rem;margin:2.5rem 0 .75rem}
h3{font-size:1rem;margin:1.5rem 0 .5rem}
p{margin:.25rem 0}
a{color:var(--accent)}
ul,ol{list-style:none;margin:0;padding:0}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
.dim,header p,footer{color:var(--dim)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:4px}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--card);padding:.5rem 1rem;z-index:1}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;margin-top:.75rem;border-bottom:1px solid var(--rule);
padding-bottom:.5rem}
nav a{display:inline-block;padding:.25rem 0;text-decoration:none;font-weight:600}
nav a:hover{text-decoration:underline}
.tiles{display:grid;gap:.75rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,15rem),1fr))}
.tile,.card,details.job,details.run{background:var(--card);border:1px solid var(--rule);border-radius:10px}
.tile{padding:.75rem 1rem;border-top:4px solid var(--rule)}
.tile.good{border-top-color:var(--good)}
.tile.odd{border-top-color:var(--odd)}
.tile.bad{border-top-color:var(--bad)}
.tile .name{font-size:.85rem;color:var(--dim);margin:0}
.tile .value{font-size:1.45rem;font-weight:650;line-height:1.25;margin:0}
.tile .dim{font-size:.85rem}
.badge,.chip{display:inline-block;border-radius:6px;padding:0 .45rem;font-size:.85rem;font-weight:600;line-height:1.6;
background:var(--dim-bg);color:var(--dim);white-space:nowrap}
.chip{min-width:1.9rem;text-align:center}
.badge.good,.chip.good,td.good{background:var(--good-bg);color:var(--good)}
.badge.bad,.chip.bad,td.bad{background:var(--bad-bg);color:var(--bad)}
.badge.odd,.chip.odd,td.odd{background:var(--odd-bg);color:var(--odd)}
.badge.live,.chip.live,td.live{background:var(--live-bg);color:var(--live)}
td.dim{background:var(--dim-bg);color:var(--dim)}
.waits li{padding:.35rem 0}
.coming{display:grid;gap:.1rem 2rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,30rem),1fr))}
.coming li{display:flex;gap:1rem;padding:.25rem 0;border-bottom:1px solid var(--rule)}
.coming .when{flex:0 0 4.5rem;white-space:nowrap;color:var(--dim);font-variant-numeric:tabular-nums}
.cards{display:grid;gap:.75rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,20rem),1fr))}
.card{padding:.75rem 1rem}
.card h3{margin:0 0 .25rem}
.card dl{margin:0}
.card dl div{display:flex;gap:.75rem;padding:.15rem 0}
.card dt{flex:0 0 7.5rem;color:var(--dim);font-size:.9rem}
.card dd{margin:0;min-width:0}
.legend{display:flex;flex-wrap:wrap;gap:.35rem 1.1rem;margin-bottom:.75rem;font-size:.9rem}
summary{cursor:pointer;padding:.6rem 1rem;border-radius:10px}
details.job,details.run{margin:.5rem 0}
details.run[open]>summary,details.job[open]>summary{border-bottom:1px solid var(--rule);border-radius:10px 10px 0 0}
.run>:not(summary){margin-left:1rem;margin-right:1rem}
.run>:last-child{margin-bottom:1rem}
.run .slot,.run .took{font-variant-numeric:tabular-nums}
.run .took{color:var(--dim)}
.pair{display:grid;gap:1.5rem;padding:1rem;align-items:start}
@media (min-width:56rem){.pair{grid-template-columns:minmax(0,5fr) minmax(0,6fr)}}
table{border-collapse:collapse;width:100%}
caption{text-align:left;font-size:.9rem;color:var(--dim);padding-bottom:.35rem}
.calendar{table-layout:fixed;border-collapse:separate;border-spacing:3px}
.calendar th{font-size:.75rem;font-weight:600;color:var(--dim);padding:0;text-align:center}
.calendar tr>:first-child{width:3.4rem;text-align:left;white-space:nowrap}
.calendar td{position:relative;height:2.5rem;padding:.1rem .25rem;border-radius:5px;background:var(--bg);
vertical-align:top;text-align:center;line-height:1.15}
.calendar td.out{background:none}
.calendar .day{display:block;font-size:.7rem;color:var(--dim)}
.calendar td[class]:not(.out) .day{color:inherit}
.calendar .sign{font-weight:700;font-size:.95rem}
.calendar td.good{background:var(--good-bg)}
.calendar td.bad{background:var(--bad-bg)}
.calendar td.odd{background:var(--odd-bg)}
.calendar td.live{background:var(--live-bg)}
.calendar td.dim{background:var(--dim-bg)}
.chart svg{display:block;width:100%;height:9rem;background:var(--bg);border-radius:5px}
.axis{display:flex;justify-content:space-between;font-size:.8rem;color:var(--dim);font-variant-numeric:tabular-nums}
.bar{fill:var(--bar)}
.bar.bad{fill:var(--bar-bad)}
.column{fill:var(--bad-bg)}
.base{stroke:var(--dim);stroke-width:1;vector-effect:non-scaling-stroke}
.chart details summary{padding:.25rem 0;color:var(--accent);font-size:.9rem}
.plain th,.plain td{text-align:left;padding:.2rem .5rem .2rem 0;border-bottom:1px solid var(--rule);font-size:.9rem;
font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}
.run h3{margin:.75rem 1rem .25rem}
.packages{margin:.25rem 0 .75rem}
.packages th[scope=row]{font-weight:500}
.packages th:first-child,.packages td:first-child{width:45%}
.fleet{min-width:46rem}
.fleet th,.fleet td{padding-right:1rem;vertical-align:top}
.fleet tbody th{font-weight:600}
.steps{display:grid;gap:.6rem;margin:.75rem 1rem}
.steps svg{display:block;width:100%;height:.6rem;border-radius:3px}
.steps p{margin:0}
.steps .dim{font-size:.85rem}
.track{fill:var(--dim-bg)}
.lane.good{fill:var(--good)}
.lane.bad{fill:var(--bad)}
.lane.live{fill:var(--live)}
.events li{display:flex;gap:.75rem;padding:.2rem 0;font-size:.95rem}
.events time{flex:0 0 4.6rem;white-space:nowrap;color:var(--dim);font-variant-numeric:tabular-nums}
.events .told{min-width:0}
.text.good{color:var(--good)}
.text.bad{color:var(--bad)}
.text.odd{color:var(--odd)}
.text.dim{color:var(--dim)}
.remedy{display:block;color:var(--dim)}
footer{margin-top:3rem;font-size:.85rem;border-top:1px solid var(--rule);padding-top:.75rem}
.card dd{font-variant-numeric:tabular-nums}
@media (max-width:30rem){body{padding:1rem .75rem 2rem}.pair{padding:.75rem}.calendar{border-spacing:2px}
.calendar tr>:first-child{width:2.9rem}.calendar td{padding:.1rem}}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff}html{font-size:12px}nav,.skip,.chart details{display:none}
details::details-content{content-visibility:visible}
.tile,.card,details.run,.calendar,.chart{break-inside:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
