// A run's page: the chart, the tables and the stories move together, and the address says where they are.
// Tables and stories are parts of the server's own pages; without scripts the same links lead to them.

import { ask, say, swap, typing } from "./frame.js";
import { RunChart, around, drawable, readTrade, readWindow } from "./chart.js";

const figure = document.querySelector(".chart");
const { api } = figure.dataset;
const page = api.replace("/api/v1", "");
const note = figure.querySelector("[data-note]");
const legend = figure.querySelector(".legend");
const QUIET_MS = 400; // a pause after which the address says where the chart is
const TRADES = 100; // on a page of the table

let chart = null;
let place = { trade: null, bar: null, view: null };

// The address ---------------------------------------------------------------------------------------------------------

let writing;

function write(change) {
  place = { ...place, ...change };
  clearTimeout(writing);
  writing = setTimeout(() => history.replaceState(null, "", address()), QUIET_MS);
}

const iso = (ms) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

function address() {
  const parts = [];
  if (place.view) parts.push(`from=${iso(place.view.first)}`, `to=${iso(place.view.last)}`);
  if (place.trade !== null) parts.push(`trade=${place.trade}`);
  if (place.bar !== null) parts.push(`bar=${place.bar}`);
  return parts.length ? `${location.pathname}?${parts.join("&")}` : location.pathname;
}

// Tables and stories ---------------------------------------------------------------------------------------------------

const table = (kind) => document.querySelector(`table[data-rows="${kind}"]`);
const row = (kind, number) => table(kind)?.querySelector(`tr[data-${kind}="${number}"]`);

function mark(kind, number) {
  for (const other of document.querySelectorAll("tr[aria-current]")) other.removeAttribute("aria-current");
  const found = row(kind, number);
  if (!found) return;
  found.setAttribute("aria-current", "true");
  reveal(found);
}

// Bring a row into sight in its table, and leave the page where it is.
function reveal(found) {
  const scroll = found.closest(".scroll");
  const head = scroll.querySelector("thead").offsetHeight;
  const above = found.offsetTop - head - scroll.scrollTop;
  if (above < 0 || above + found.offsetHeight > scroll.clientHeight - head) {
    scroll.scrollTop = found.offsetTop - scroll.clientHeight / 2;
  }
}

async function told(doing) {
  try {
    return await doing;
  } catch (error) {
    note.textContent = error.message;
    say(error.message);
    return null;
  }
}

async function chooseTrade(number, { keep = false } = {}) {
  const total = Number(table("trade")?.dataset.total ?? 0);
  if (!(number >= 0 && number < total)) return;
  write({ trade: number, bar: null });
  if (!row("trade", number)) {
    const after = Math.floor(number / TRADES) * TRADES;
    await told(swap("trades", `${page}/trades?after=${after}`));
  }
  mark("trade", number);
  if (keep) row("trade", number)?.querySelector("a").focus({ preventScroll: true });
  const [trade] = await Promise.all([
    chart && told(readTrade(api, number)),
    told(swap("story", `${page}/trades/${number}`)),
  ]);
  if (place.trade !== number) return; // another was chosen meanwhile
  if (trade) await chart.choose(trade);
  say(document.querySelector("#story-title").textContent);
}

async function chooseBar(seq, { keep = false } = {}) {
  write({ trade: null, bar: seq });
  if (!row("bar", seq)) await told(swap("decisions", `${page}/decisions?bar=${seq}`));
  mark("bar", seq);
  const found = row("bar", seq);
  if (keep) found?.querySelector("a").focus({ preventScroll: true });
  await Promise.all([
    chart && found && chart.point(Date.parse(found.querySelector("time").dateTime)),
    told(swap("story", `${page}/decisions/${seq}`)),
  ]);
  if (place.bar === seq) say(document.querySelector("#story-title").textContent);
}

// A place on the chart that is no trade: the decisions around it.
async function choosePlace(ms) {
  const found = await told(swap("decisions", `${page}/decisions?at=${ms}`));
  const near = [...(found?.querySelectorAll("tbody tr") ?? [])]
    .filter((each) => Date.parse(each.querySelector("time").dateTime) <= ms).at(-1);
  if (near) await chooseBar(Number(near.dataset.bar));
}

const choose = { trade: chooseTrade, bar: chooseBar };

function follow(event) {
  const link = event.target.closest("a");
  if (event.ctrlKey || event.metaKey || event.shiftKey || getSelection().toString()) return;
  const [kind, step] = ["trade", "bar"].map((each) => [each, link?.dataset[`${each}Step`]]).find(([, by]) => by) ?? [];
  if (kind) {
    event.preventDefault();
    choose[kind](place[kind] + Number(step));
    return;
  }
  if (link?.dataset.swap) {
    event.preventDefault();
    told(swap(link.dataset.swap, link.href));
    return;
  }
  const found = event.target.closest("table[data-rows] tbody tr");
  if (!found || (link && !link.closest("th"))) return;
  event.preventDefault();
  const { rows } = found.closest("table").dataset;
  choose[rows](Number(found.dataset[rows]), { keep: true });
}

function stepRow(event) {
  const found = event.target.closest("table[data-rows] tbody tr");
  if (!found || !["ArrowUp", "ArrowDown"].includes(event.key)) return false;
  event.preventDefault();
  const { rows } = found.closest("table").dataset;
  choose[rows](Number(found.dataset[rows]) + (event.key === "ArrowDown" ? 1 : -1), { keep: true });
  return true;
}

function stepTrade(by) {
  if (place.trade !== null) return chooseTrade(place.trade + by);
  const total = Number(table("trade")?.dataset.total ?? 0);
  return chooseTrade(by > 0 ? 0 : total - 1);
}

document.addEventListener("click", follow);

// Keys ------------------------------------------------------------------------------------------------------------------

const KEYS = { n: "next", p: "previous", "+": "closer", "=": "closer", "-": "wider", 0: "all" };
const CHART_KEYS = { ArrowLeft: "earlier", ArrowRight: "later", Home: "all" };

const DO = {
  next: () => stepTrade(1),
  previous: () => stepTrade(-1),
  link: async () => {
    const url = new URL(address(), location.href).href;
    const done = await navigator.clipboard.writeText(url).then(() => "The address of this place is copied.", () => url);
    note.textContent = done;
    say(done);
  },
};

function act(what) {
  if (DO[what]) DO[what]();
  else chart?.do(what);
}

addEventListener("keydown", (event) => {
  if (typing(event) || stepRow(event)) return;
  const what = KEYS[event.key] ?? (figure.contains(event.target) ? CHART_KEYS[event.key] : undefined);
  if (!what) return;
  event.preventDefault();
  act(what);
});

// Changes ---------------------------------------------------------------------------------------------------------------

// The mark that says a change comes from a page of this server; a page of another site cannot read it.
function mine() {
  const name = `buff_csrf_${location.port || 80}=`;
  const found = document.cookie.split("; ").find((each) => each.startsWith(name));
  return { "x-csrf-token": found ? found.slice(name.length) : "" };
}

function verifying(button) {
  const verdict = document.querySelector("#verdict");
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    verdict.hidden = false;
    verdict.className = "care";
    verdict.textContent = "Computing the run again and comparing every byte …";
    try {
      const { outcome, findings } = await ask(button.dataset.address, { method: "POST", headers: mine() });
      verdict.className = outcome === "identical" ? "care good" : "care";
      verdict.textContent = `Verified just now: ${outcome.replaceAll("_", " ")}. ${findings.join(" ")}`;
    } catch (error) {
      verdict.textContent = `Not verified. ${error.message}`;
    }
    button.disabled = false;
  });
}

function annotating(form, button) {
  const told = form.querySelector("[role=status]");
  button.hidden = false;
  button.addEventListener("click", () => {
    form.hidden = !form.hidden;
    if (!form.hidden) form.elements.name.focus();
  });
  form.addEventListener("reset", () => { form.hidden = true; button.focus(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { name, notes, tags } = form.elements;
    const said = {
      name: name.value.trim() || null,
      notes: notes.value.trim() || null,
      tags: tags.value.split(/[\s,]+/).filter(Boolean),
    };
    try {
      const headers = { "content-type": "application/json", ...mine() };
      await ask(form.dataset.address, { method: "PATCH", headers, body: JSON.stringify(said) });
      location.reload();
    } catch (error) {
      told.textContent = `Not saved. ${error.message}`;
    }
  });
}

// The chart -------------------------------------------------------------------------------------------------------------

function writeLegend(parts) {
  while (legend.children.length > parts.length) legend.lastChild.remove();
  parts.forEach(([label, value], at) => {
    const span = legend.children[at] ?? legend.appendChild(document.createElement("span"));
    if (!span.firstChild) span.append(document.createTextNode(""), document.createElement("b"));
    span.firstChild.data = label ? `${label} ` : "";
    span.lastChild.textContent = value;
  });
}

function control() {
  const tools = figure.querySelector(".tools");
  tools.hidden = false;
  tools.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-do]");
    if (button) act(button.dataset.do);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.repaint());
  addEventListener("themechange", () => chart.repaint());
}

const HEARS = {
  view: (sight, whole) => write({ view: whole ? null : sight }),
  trade: (number) => chooseTrade(number),
  place: (ms) => choosePlace(ms),
  note: (text) => { note.textContent = text; },
  legend: writeLegend,
};

function asked() {
  const { from, to, trade } = figure.dataset;
  const query = new URLSearchParams(location.search);
  place.trade = trade === undefined ? null : Number(trade);
  place.bar = query.has("bar") && place.trade === null ? Number(query.get("bar")) : null;
  return from !== undefined && to !== undefined ? { first: Number(from), last: Number(to) } : null;
}

async function start() {
  const sight = asked();
  figure.dataset.state = "loading";
  try {
    if (!drawable()) throw new Error("The chart library did not load.");
    const view = await readWindow(api, sight ? around(sight) : {});
    figure.querySelector(".canvas").hidden = false;
    chart = new RunChart(figure, HEARS);
    chart.show(view, sight);
    figure.dataset.bucket = view.bucket;
    control();
    requestAnimationFrame(() => requestAnimationFrame(() => arrived(sight)));
  } catch (error) {
    figure.querySelector(".canvas").hidden = true;
    figure.dataset.state = "failed";
    if (drawable()) note.textContent = `The chart could not be drawn, so this is a still picture. ${error.message}`;
  }
}

async function arrived(sight) {
  figure.dataset.state = "drawn";
  performance.mark("drawn");
  figure.dataset.busy = "";
  if (place.trade !== null) {
    const trade = await told(readTrade(api, place.trade));
    if (trade && sight) chart.marks.choose(trade);
    else if (trade) await chart.choose(trade);
  } else if (place.bar !== null) {
    const found = row("bar", place.bar);
    if (found) await chart.point(Date.parse(found.querySelector("time").dateTime));
  }
  await chart.refine();
}

for (const each of document.querySelectorAll("table[data-rows]")) each.dataset.live = "";
verifying(document.querySelector("#verify"));
annotating(document.querySelector("#annotate"), document.querySelector("#edit"));
for (const marked of document.querySelectorAll("tr[aria-current]")) reveal(marked);
start();
