// A sweep's page: the same run is marked on the map, among the lines and in the table; a drag along an axis keeps a
// stretch of it. What is chosen is in the address and drawn by the server; without this script links and forms do it.

import { swap } from "./frame.js";

const POLL_MS = 2000;
const DRAW_MS = 10_000;
const DRAG_PX = 4;
const SVG = "http://www.w3.org/2000/svg";

// The same run, three times ---------------------------------------------------------------------------------------------

let lit = [];
let now = "";

function light(at = "") {
  if (at === now) return; // what is moved to the front below says once more that it is pointed at
  now = at;
  for (const each of lit) each.classList.remove("lit");
  lit = at ? at.split(" ").flatMap((one) => [...document.querySelectorAll(`[data-at~="${one}"]`)]) : [];
  for (const each of lit) {
    each.classList.add("lit");
    if (each.closest(".lines")) each.parentNode.append(each); // what is marked lies before the others
  }
  const told = document.querySelector("[data-told]");
  const says = lit.map((each) => each.title || each.querySelector?.(":scope > title")?.textContent).find(Boolean);
  if (told && says) told.textContent = says;
}

const marked = (event) => event.target.closest?.("#look [data-at]")?.dataset.at;

document.addEventListener("pointerover", (event) => { if (!drag) light(marked(event)); });
document.addEventListener("focusin", (event) => light(marked(event)));

// The map by arrow keys: one stop for the way through the page, and arrows from cell to cell -------------------------------

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function stops() {
  for (const map of document.querySelectorAll(".map table")) {
    [...map.querySelectorAll("td a")].forEach((each, at) => { each.tabIndex = at ? -1 : 0; });
  }
}

document.addEventListener("keydown", (event) => {
  const step = STEPS[event.key];
  const cell = event.target.closest?.(".map td");
  if (!step || !cell) return;
  event.preventDefault();
  const { rows } = cell.closest("tbody");
  let [row, column] = [cell.parentNode.sectionRowIndex, cell.cellIndex];
  let link = null;
  while (!link && rows[row += step[0]]?.cells[column += step[1]]) link = rows[row].cells[column].querySelector("a");
  if (!link) return;
  event.target.tabIndex = -1;
  link.tabIndex = 0;
  link.focus();
});

// A choice is a part of the server's own page -------------------------------------------------------------------------------

const place = (address) => new URL(address, location.href).href.split("#")[0];
let shown = place(location.href);
let looks = 0;

async function look(address, { keep = true, focus = null } = {}) {
  const turn = ++looks;
  const failed = await swap("look", address).then(() => false, () => true);
  if (turn !== looks) return; // a later choice is on its way, or there
  if (failed) return location.assign(address);
  if (keep) history.pushState(null, "", address);
  shown = place(address);
  begin();
  document.dispatchEvent(new Event("change")); // whoever counts the chosen rows
  if (focus) document.querySelector(`#look [name="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

function addressOf(form) {
  const said = [...new FormData(form)].filter(([, text]) => text !== "");
  const address = new URL(form.action);
  address.search = new URLSearchParams(said);
  return address.href;
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-swap]")) return;
  event.preventDefault();
  look(addressOf(event.target));
});
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-swap]:not([data-narrow])");
  if (form) look(addressOf(form), { focus: event.target.name });
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-swap]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  look(link.href).then(() => {
    const part = document.getElementById(new URL(link.href).hash.slice(1));
    if (part && part.getBoundingClientRect().top < 0) part.scrollIntoView();
  });
});
addEventListener("popstate", () => { if (place(location.href) !== shown) look(location.href, { keep: false }); });

// A drag along an axis: what lies outside is dim at once, and the server draws the rest at its end ---------------------------

let drag = null;

function height(event) {
  const { svg } = drag;
  const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  return Math.min(Math.max(at.y, drag.top), drag.bottom);
}

document.addEventListener("pointerdown", (event) => {
  const axis = event.target.closest?.(".strands .axis");
  if (!axis || event.button) return;
  event.preventDefault();
  const svg = axis.ownerSVGElement;
  const { top, bottom, x } = svg.dataset;
  drag = { axis, svg, top: Number(top), bottom: Number(bottom), x: Number(axis.dataset.x) };
  axis.setPointerCapture(event.pointerId);
  drag.from = drag.to = height(event);
  axis.querySelector(".chosen")?.remove();
  drag.box = axis.appendChild(document.createElementNS(SVG, "rect"));
  drag.box.setAttribute("class", "chosen");
});

document.addEventListener("pointermove", (event) => {
  if (!drag) return;
  drag.to = height(event);
  const [low, high] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
  const box = { x: drag.x - 9, y: low, width: 18, height: Math.max(high - low, 1) };
  for (const [name, value] of Object.entries(box)) drag.box.setAttribute(name, value);
  for (const line of drag.svg.querySelectorAll(".lines [data-at]")) {
    const y = heightOf(line, drag.x);
    line.classList.toggle("away", y < low || y > high);
  }
});

// How low a line passes an axis: its path has a point on each.
function heightOf(line, x) {
  const points = line.lastElementChild.getAttribute("d").slice(1).split("L");
  return Number(points.find((point) => point.startsWith(`${x} `)).split(" ")[1]);
}

document.addEventListener("pointerup", () => {
  if (!drag) return;
  const { axis, from, to, top, bottom } = drag;
  drag = null;
  const form = document.querySelector("[data-narrow]");
  const [low, high] = [Math.max(from, to), Math.min(from, to)].map((y) => (bottom - y) / (bottom - top));
  const ends = Math.abs(from - to) < DRAG_PX ? ["", ""] : fields(form, axis, low, high);
  ["from", "to"].forEach((bound, at) => { form.elements[`${bound}.${axis.dataset.axis}`].value = ends[at]; });
  look(addressOf(form));
});

addEventListener("pointercancel", () => {
  drag?.box.remove();
  drag = null;
  for (const each of document.querySelectorAll(".strands .away")) each.classList.remove("away");
});

// What the form says of a stretch: values by their places, or numbers of a measure.
function fields(form, { dataset }, low, high) {
  const { options } = form.elements[`from.${dataset.axis}`];
  if (!options && dataset.low === undefined) return ["", ""]; // too many values to choose from: they are typed
  if (options) {
    const last = Math.max(options.length - 2, 1); // the first option is any
    const [first, end] = [Math.ceil(low * last - 1e-9), Math.floor(high * last + 1e-9)];
    return first > end ? ["", ""] : [options[first + 1].value, options[end + 1].value];
  }
  const [from, to] = [Number(dataset.low), Number(dataset.high)];
  const at = (part) => (from + part * (to - from)).toFixed(4);
  return [low > 0 ? at(low) : "", high < 1 ? at(high) : ""]; // an end that was rounded would leave out what lies there
}

// A sweep that is under way ---------------------------------------------------------------------------------------------------

// How far it is, is asked often; what is drawn of it, seldom, and never under the hands of somebody.
async function follow() {
  let drawn = Date.now();
  let part = document.querySelector("#progress[data-live]");
  while (part?.dataset.live) {
    await new Promise((done) => setTimeout(done, POLL_MS));
    if (document.hidden) continue;
    const before = part.dataset.committed;
    try {
      part = await swap("progress", part.dataset.live);
      if (!part.dataset.live) location.reload();
      else if (part.dataset.committed !== before && Date.now() - drawn > DRAW_MS && !drag && !document.querySelector("#look[aria-busy], #look :is(:checked:not(option), :focus)")) {
        drawn = Date.now();
        await look(location.href, { keep: false });
      }
    } catch {
      // The server is away, perhaps to start again: the sweep goes on.
    }
  }
}

function begin() {
  light();
  lit = [];
  stops();
  for (const each of document.querySelectorAll("[data-needs-script]")) each.hidden = false;
}

begin();
follow();
