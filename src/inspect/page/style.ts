/** The page's look, in light and dark. */
export const STYLE = `
:root{color-scheme:light dark;--back:#f4f6f9;--panel:#fff;--text:#1d2433;--soft:#5a6475;--line:#d6dce5;--chosen:#dbe7ff;--focus:#2563eb;--good:#1a7f37;--bad:#b3261e;--warn:#9a5b00;--busy:#1d4ed8;--calling:#3b82f6;--waiting:#d9a514;--other:#b6bfcc}
@media(prefers-color-scheme:dark){:root{--back:#0f131c;--panel:#171d2b;--text:#e6eaf2;--soft:#a3adbd;--line:#2c3546;--chosen:#23375f;--focus:#7aa2ff;--good:#5fd27c;--bad:#ff8a80;--warn:#f0b541;--busy:#8fb4ff;--calling:#6ea8ff;--waiting:#e0b11c;--other:#4b566a}}
*{box-sizing:border-box}
html,body{height:100%;margin:0}
body{background:var(--back);color:var(--text);font:14px/1.45 system-ui,sans-serif}
#page{display:grid;grid-template:auto minmax(0,1fr) minmax(120px,30vh)/minmax(250px,330px) minmax(0,1fr);grid-template-areas:'top top' 'side main' 'log log';height:100%;gap:1px;background:var(--line)}
header{grid-area:top;background:var(--panel);display:flex;gap:14px;align-items:center;padding:6px 14px;flex-wrap:wrap}
aside{grid-area:side;background:var(--panel);display:flex;flex-direction:column;min-height:0}
main{grid-area:main;background:var(--panel);padding:10px 14px;min-height:0;display:flex;flex-direction:column}
.tabs,[role=tabpanel]{flex:1;min-height:0;display:flex;flex-direction:column}
.timeline,.result,.welcome{overflow:auto;min-height:0}
.log{grid-area:log;background:var(--panel);display:flex;flex-direction:column;min-height:0;padding:4px 14px}
h1{font-size:17px;margin:0}h2{font-size:14px;margin:0 0 4px}h3{font-size:13px;margin:10px 0 4px}
small{color:var(--soft);font-size:12px}
button,input{font:inherit;color:inherit}
button{background:var(--back);border:1px solid var(--line);border-radius:6px;padding:2px 8px;cursor:pointer}
button:disabled{opacity:.5;cursor:default}
button[aria-pressed=true],[role=tab][aria-selected=true]{background:var(--chosen);border-color:var(--focus)}
button.link{border:0;background:none;padding:0;color:var(--busy);text-decoration:underline}
input[type=search]{background:var(--back);border:1px solid var(--line);border-radius:6px;padding:3px 8px;width:100%}
:focus-visible{outline:2px solid var(--focus);outline-offset:1px}
.shared{padding:8px 10px;max-height:42%;overflow:auto;border-bottom:1px solid var(--line)}
.shared ul{list-style:none;margin:0;padding:0;display:grid;gap:4px}
.item{display:block;width:100%;text-align:left;padding:4px 8px}
.figures{display:block}
.runs{flex:1;display:flex;flex-direction:column;min-height:0;padding:8px 10px;gap:4px}
.rows{overflow:auto;flex:1;min-height:0;position:relative}
.row{position:absolute;left:0;right:0;padding:2px 6px;cursor:pointer;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;border-radius:4px}
.row:hover{background:var(--back)}.row[aria-selected=true]{background:var(--chosen)}
.state{display:inline-block;margin-right:6px;border-radius:9px;padding:0 7px;font-size:12px;border:1px solid currentColor;color:var(--soft)}
.state.completed,.state.valid,.state.good,.state.answered,.state.breaker-closed{color:var(--good)}
.state.failed,.state.timed_out,.state.budget_exceeded,.state.rejected,.state.invalid,.state.bad,.state.breaker-open{color:var(--bad)}
.state.partial,.state.cancelled,.state.waiting,.state.warn,.state.breaker-half-open,.state.breaker-isolated{color:var(--warn)}
.state.running,.state.asked,.state.calling{color:var(--busy)}
.head dl{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0}.head dt{color:var(--soft);font-size:12px}.head dd{margin:0}
.head p{margin:2px 0}
[role=tablist]{display:flex;gap:6px;margin:8px 0}
.looking{display:grid;grid-template-columns:minmax(150px,220px) minmax(0,1fr);gap:14px;flex:1;min-height:0}
.chart{display:flex;flex-direction:column;min-height:0}.chart h3{margin-top:0}.chart h3 label{font-weight:400;margin-left:12px}.chart details{max-height:40%;overflow:auto;flex:none}
.looking>.chart:only-child{grid-column:1/-1}
.tree{display:flex;min-height:0}
.leaf.over{color:var(--soft)}
.meanings{margin:0 0 8px;padding:0;list-style:none}
.drawing{flex:1;overflow:auto;min-height:0}.drawing svg{display:block;height:auto}
code{font:12px ui-monospace,monospace}
pre{background:var(--back);border:1px solid var(--line);border-radius:6px;padding:8px;overflow:auto;font:12px/1.4 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
pre.bad{border-color:var(--bad)}
.timeline ol{list-style:none;margin:0;padding:0}
.timeline li{display:grid;grid-template-columns:130px minmax(0,1fr) 64px;gap:8px;align-items:center}
.timeline .attempts li{display:block}
.track{position:relative;height:14px;background:var(--back);border-radius:3px}
.segment{position:absolute;top:0;bottom:0;min-width:1px;border-radius:2px;background:var(--other)}
.segment.calling{background:var(--calling)}.segment.waiting{background:repeating-linear-gradient(45deg,var(--waiting) 0 4px,transparent 4px 7px)}
.legend .segment{position:static;display:inline-block;width:26px;height:10px}
.votes{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:16px;flex:1;min-height:0}
.votes>div:first-child{overflow:auto}
.votes .row{display:flex;gap:8px;align-items:center}.votes .row code{flex:1;overflow:hidden;text-overflow:ellipsis}.votes .row .figures{display:inline}
.tally{padding:0;margin:0;list-style:none}.tally .chosen{background:var(--chosen)}
.bar{display:flex;gap:10px;align-items:center;flex-wrap:wrap}.bar h2{margin:0}.bar input[type=search]{width:260px}
.lines{display:flex;flex:1;min-height:0;gap:8px;padding-top:4px}
.lines .rows{font:12px ui-monospace,monospace}
.line time{color:var(--soft)}.line.microstep,.line.action{color:var(--soft);padding-left:18px}.line.said{color:var(--busy)}.line.news{color:var(--good)}
.detail{width:38%;margin:0}
.slider{display:flex;gap:6px;align-items:center}.slider input{width:min(32vw,420px)}
.welcome{max-width:60ch;color:var(--soft)}.empty{color:var(--soft)}
@media(max-width:760px){#page{grid-template:auto auto auto auto/1fr;grid-template-areas:'top' 'side' 'main' 'log';height:auto}aside{height:60vh}.log{height:50vh}.looking,.votes{grid-template-columns:1fr}}
`;
