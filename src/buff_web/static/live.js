// Parts of a page that change by themselves: a build on its way, a list of builds. The server writes the part anew;
// what moves within it, a bar of progress, is set here. Without this script the same is seen after a reload.

import { say, swap } from "./frame.js";

const POLL_MS = 1000;
const AGAIN_MS = 2000; // after the server did not answer

const build = document.querySelector("#build[data-live]");
if (build) follow(build);
if (document.querySelector("#builds[data-poll]")) poll();
const feed = document.querySelector("#events[data-feed]");
if (feed) listen(feed.dataset.feed);

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

// Builds in a list.
async function poll() {
  while (document.querySelector("#builds[data-poll]")) {
    await new Promise((done) => setTimeout(done, POLL_MS));
    if (document.hidden) continue;
    try {
      await swap("builds", location.href);
    } catch {
      await new Promise((done) => setTimeout(done, AGAIN_MS));
    }
  }
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
