// The form of a new run: a file goes up in pieces with its progress, is looked at, and a reading is tried as it is
// chosen. Whatever is typed goes through the same address as without this script; what is refused is said by the server.

import { say, swap } from "./frame.js";

const PATIENCE_MS = 400; // between the last key and the next look

const upload = document.querySelector("form.drop[data-most]");
const request = document.querySelector("#request");
if (upload) uploads(upload);
if (request) requests(request);

// Files --------------------------------------------------------------------------------------------------------------

function uploads(form) {
  const file = form.querySelector("[type=file]");
  form.querySelector("[data-drop]").hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (file.files.length) send(form, file.files[0]);
  });
  file.addEventListener("change", () => file.files.length && send(form, file.files[0]));
  for (const kind of ["dragover", "dragleave", "drop"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) send(form, event.dataTransfer.files[0]);
    });
  }
}

function send(form, file) {
  const most = Number(form.dataset.most);
  if (!file.size) return refuse(form, "The file is empty.");
  if (file.size > most) return refuse(form, `The file has ${megabytes(file.size)}; ${megabytes(most)} are the limit (BUFF_UPLOAD_BYTES_MAX).`);
  const sending = new XMLHttpRequest();
  const stop = form.querySelector("[data-stop]");
  const halt = () => sending.abort();
  busy(form, true);
  stop.addEventListener("click", halt, { once: true });
  sending.upload.addEventListener("progress", (event) => show(form, event.loaded, event.total));
  sending.addEventListener("loadend", () => {
    stop.removeEventListener("click", halt);
    if (sending.status === 201) return look(JSON.parse(sending.response).upload, file.name);
    busy(form, false);
    refuse(form, reason(sending));
  });
  sending.open("PUT", "/api/v1/uploads");
  sending.setRequestHeader("content-type", "application/octet-stream");
  sending.setRequestHeader("x-csrf-token", form.querySelector("[name=_csrf]").value);
  sending.send(file);
}

function look(sha256, name) {
  location.assign(`/runs/new?${new URLSearchParams({ upload: sha256, file_name: name, later: "1" })}`);
}

function reason(sending) {
  if (!sending.status) return "The upload was stopped; nothing of it was kept.";
  try {
    const told = JSON.parse(sending.response);
    return `${told.code}: ${told.message}.${told.hint ? ` What to do: ${told.hint}.` : ""}`;
  } catch {
    return `The server answered ${sending.status}.`;
  }
}

function busy(form, on) {
  form.querySelector(".progress").hidden = !on;
  form.querySelector("button.primary").disabled = on;
  form.setAttribute("aria-busy", String(on));
}

function show(form, loaded, total) {
  const bar = form.querySelector("progress");
  bar.max = total;
  bar.value = loaded;
  form.querySelector("[data-said]").textContent = loaded < total ? `${megabytes(loaded)} of ${megabytes(total)}` : "looking at it …";
}

function refuse(form, text) {
  let said = form.querySelector(".wrong");
  if (!said) {
    said = document.createElement("p");
    said.className = "wrong";
    said.setAttribute("role", "alert");
    form.append(said);
  }
  said.textContent = text;
  form.querySelector("[type=file]").value = "";
}

function megabytes(bytes) {
  return `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 2 : 0)} MiB`;
}

// What is to be made of them -----------------------------------------------------------------------------------------

function requests(form) {
  let due = 0;
  const preview = form.querySelector("#preview");
  const again = (part, wait) => {
    clearTimeout(due);
    due = setTimeout(() => refresh(form, part), wait);
  };
  form.querySelector(".reading")?.addEventListener("change", () => again("preview", PATIENCE_MS));
  form.elements.strategy.addEventListener("change", () => again("rule-section", 0));
  form.addEventListener("submit", (event) => {
    if (event.submitter?.value === "look") return;
    form.querySelector("[data-said]").textContent = "asking …";
    // A second press would ask twice; the way back to this page makes the button work again.
    addEventListener("pageshow", () => { event.submitter.disabled = false; }, { once: true });
    setTimeout(() => { if (event.submitter) event.submitter.disabled = true; }, 0);
  });
  document.querySelector(".wrong, [aria-invalid]")?.scrollIntoView({ block: "center" });
  if (preview?.dataset.looking) refresh(form, "preview");
}

// The server writes the part anew from what is in the form, and the address keeps it.
async function refresh(form, part) {
  const filled = new URLSearchParams();
  for (const [name, text] of new FormData(form)) {
    if (!["_csrf", "do"].includes(name) && typeof text === "string" && text.trim()) filled.set(name, text.trim());
  }
  if (part === "rule-section") {
    for (const name of [...filled.keys()]) if (name.startsWith("p.")) filled.delete(name);
  }
  const address = `/runs/new?${filled}`;
  const kept = document.activeElement?.name;
  try {
    if (part === "rule-section") filled.set("later", "1");
    const there = await swap(part, `/runs/new?${filled}`);
    history.replaceState(null, "", address);
    if (part === "rule-section") {
      there.querySelector("[name=strategy]").addEventListener("change", () => refresh(form, part));
      there.querySelector(`[name="${kept}"]`)?.focus();
    }
    say(part === "preview" ? "The file was looked at again" : "The parameters of the strategy are shown");
  } catch (error) {
    const there = document.getElementById(part);
    const told = document.createElement("p");
    told.className = "wrong";
    told.setAttribute("role", "alert");
    told.textContent = `The server could not be asked: ${error.message}. Press “Look again”.`;
    there.prepend(told);
  }
}
