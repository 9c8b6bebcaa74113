// What every page has: the theme, the list of keys, the way to the filter, copy buttons, a voice for what changed, and how
// the server is asked.
// Everything here is a convenience; a page without it says the same.

const THEMES = ["auto", "light", "dark"];
const root = document.documentElement;
const voice = document.querySelector("#voice");

// Say something to a reader who cannot see what changed.
export function say(text) {
  voice.textContent = text;
}

// Words typed into a field are words, not keys of the page.
export function typing(event) {
  return event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, dialog") !== null;
}

function keepTheme(theme) {
  if (theme === "auto") delete root.dataset.theme;
  else root.dataset.theme = theme;
  try {
    localStorage.setItem("theme", theme);
  } catch {
    // Storage is off: the choice lasts as long as the page.
  }
  dispatchEvent(new Event("themechange"));
}

function themes(button) {
  const show = () => {
    const theme = root.dataset.theme ?? "auto";
    button.dataset.theme = theme;
    button.setAttribute("aria-label", `Theme: ${theme}`);
    button.title = `Theme: ${theme} (t)`;
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    keepTheme(THEMES[(THEMES.indexOf(button.dataset.theme) + 1) % THEMES.length]);
    show();
    say(`Theme: ${button.dataset.theme}`);
  });
  show();
}

function copies() {
  for (const text of document.querySelectorAll("[data-copy]:not([data-copied])")) {
    text.dataset.copied = "";
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "copy";
    button.setAttribute("aria-label", `Copy ${text.textContent}`);
    button.addEventListener("click", () => copy(text, button));
    text.after(button);
  }
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text.textContent);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(text); // no permission: the selection is one key press from the clipboard
    button.textContent = "selected";
  }
  say(`${text.textContent} ${button.textContent}`);
  setTimeout(() => { button.textContent = "copy"; }, 1500);
}

// Ask the API; what it refuses becomes an error that says code, reason and what to do.
export async function answer(address, options) {
  const found = await fetch(address, options);
  if (found.ok) return found;
  const told = await found.json().catch(() => null);
  throw new Error(told?.code ? `${told.code}: ${told.message}. ${told.hint ?? ""}` : `The server answered ${found.status}.`);
}

export async function ask(address, options = {}) {
  return (await answer(address, { ...options, headers: { accept: "application/json", ...options.headers } })).json();
}

const turns = new Map(); // of each part: how often it was asked for

// Replace a part of this page by the same part of another, as the server writes it: one template, and no HTML as text.
// Of what is asked for in quick succession the last is shown, whichever answer comes last.
export async function swap(id, address) {
  const turn = (turns.get(id) ?? 0) + 1;
  turns.set(id, turn);
  document.getElementById(id).setAttribute("aria-busy", "true");
  try {
    const found = (await page(address))?.getElementById(id);
    if (turns.get(id) !== turn) return document.getElementById(id);
    if (!found) throw new Error(`${address} could not be read`);
    document.getElementById(id)?.replaceWith(document.adoptNode(found));
    copies();
    return document.getElementById(id);
  } finally {
    if (turns.get(id) === turn) document.getElementById(id)?.removeAttribute("aria-busy");
  }
}

// XMLHttpRequest is what parses HTML under a policy without Trusted Types: nothing in it runs.
function page(address) {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("GET", address);
    request.responseType = "document";
    request.onload = () => done(request.status === 200 ? request.response : null);
    request.onerror = () => failed(new Error("the server did not answer"));
    request.send();
  });
}

const keys = document.querySelector("#keys");
const toggle = document.querySelector("#theme");
const KEYS = {
  "?": () => keys.open || keys.showModal(),
  "/": () => document.querySelector("[data-filter]")?.focus(),
  t: () => toggle.click(),
};

addEventListener("keydown", (event) => {
  if (typing(event) || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});
document.querySelector("#help-keys").addEventListener("click", (event) => {
  event.preventDefault();
  keys.showModal();
});
themes(toggle);
copies();
