// Parts of a page that change by themselves: a build on its way, lists of builds and runs, the journal. The server
// writes the part anew; what moves within it, a bar of progress, is set here, and what a reader did in it is kept.
// Without this script the same is seen after a reload.

import { say, swap } from "./frame.js";

const POLL_MS = 1000;
const AGAIN_MS = 2000; // after the server did not answer

const build = document.querySelector("#build[data-live]");
if (build) follow(build);
poll("builds");
poll("sweeps");
const feed = document.querySelector("#events[data-feed]");
if (feed) listen(feed.dataset.feed);
count();
document.addEventListener("change", count);
addEventListener("pageshow", count); // the way back to a page brings its boxes with it

// One build: its events end with its end. A page that nobody looks at holds no connection.
function follow(part) {
  if (ended(part)) return;
  const source = new EventSource(part.dataset.live);
  const hide = () => {
    if (!document.hidden) return;
    leave();
    document.addEventListener("visibilitychange", () => change(part), { once: true });
  };
  const leave = () => {
    source.close();
    document.removeEventListener("visibilitychange", hide);
  };
  document.addEventListener("visibilitychange", hide);
  source.addEventListener("progress", (event) => progress(part, JSON.parse(event.data).progress));
  source.addEventListener("status", (event) => {
    if (JSON.parse(event.data).status === part.dataset.status) return;
    leave();
    change(part);
  });
  source.addEventListener("error", () => {
    if (source.readyState !== EventSource.CLOSED) return; // the browser asks again by itself
    leave();
    setTimeout(() => change(part), AGAIN_MS);
  });
}

async function change(part) {
  try {
    const now = await swap(part.id, location.pathname);
    if (now.dataset.status !== part.dataset.status) say(`The build is ${now.dataset.status}`);
    if (now.dataset.goal) location.replace(now.dataset.goal);
    else follow(now);
  } catch {
    setTimeout(() => change(part), AGAIN_MS); // the server is away, perhaps to start again: the build goes on
  }
}

function progress(part, told) {
  const bar = part.querySelector("progress");
  if (!bar || !told) return;
  if (told.total) {
    bar.max = told.total;
    bar.value = told.done;
  } else bar.removeAttribute("value");
  part.querySelector("[data-stage]").textContent = told.stage;
}

function ended(part) {
  return part.dataset.status === "succeeded" || part.dataset.status === "failed";
}

// Builds or sweeps in a list. When a build ends, the list of runs beside it is another.
async function poll(id) {
  for (let part = document.querySelector(`#${id}[data-poll]`); part; part = document.querySelector(`#${id}[data-poll]`)) {
    await new Promise((done) => setTimeout(done, POLL_MS));
    if (document.hidden) continue;
    try {
      const now = await swap(id, location.href);
      const ended = (part.dataset.ids ?? "").split(" ").filter((id) => !(now.dataset.ids ?? "").split(" ").includes(id));
      if (ended.length && document.getElementById("list")) await relist();
    } catch {
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
}

async function relist() {
  const list = document.getElementById("list");
  if (list.dataset.empty) return location.reload(); // the first run brings the whole page along
  const chosen = new Set([...list.querySelectorAll(":checked")].map((box) => box.value));
  const focused = list.contains(document.activeElement) ? document.activeElement.value : undefined;
  const boxes = [...(await swap("list", location.href)).querySelectorAll("[name=run]")];
  for (const box of boxes) box.checked = chosen.has(box.value);
  if (focused) boxes.find((box) => box.value === focused)?.focus();
  count();
  say("A build ended, and the list was read again");
}

// Runs that are chosen to be compared: the button says how many, and waits until there are enough.
function count() {
  const form = document.querySelector("#pick");
  const button = form?.querySelector("button");
  if (!button) return;
  const chosen = form.querySelectorAll(":checked").length;
  const { least, most } = form.dataset;
  button.disabled = chosen < least || chosen > most;
  button.textContent = button.disabled ? `Choose ${least} to ${most} to compare` : `Compare ${chosen} runs`;
  if (chosen > most) button.textContent = `${chosen} chosen; at most ${most} can be compared`;
}

// The journal at its newest: what is recorded now appears, at most so often. Opened details stay open.
function listen(address) {
  let due = 0;
  const source = new EventSource(address);
  source.addEventListener("message", () => {
    if (due || document.hidden) return;
    due = setTimeout(() => refresh().finally(() => { due = 0; }), POLL_MS);
  });
  addEventListener("pagehide", () => source.close());
}

async function refresh() {
  const open = [...document.querySelectorAll("#events details[open]")].map((each) => each.closest("tr").id);
  const before = document.querySelector("#events tbody tr")?.id;
  const now = await swap("events", location.href);
  for (const id of open) now.querySelector(`#${id} details`)?.setAttribute("open", "");
  if (now.querySelector("tbody tr")?.id !== before) now.querySelector("[data-said]").textContent = "New events appeared.";
}
