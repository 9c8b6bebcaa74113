// Puts a copy button behind every `[data-copy]` text. Without scripts the text can be selected as any other.

const said = document.createElement("p");
said.className = "hidden";
said.setAttribute("role", "status");
document.body.append(said);

for (const text of document.querySelectorAll("[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "copy";
  button.setAttribute("aria-label", `Copy ${text.textContent}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(text); // no permission: the selection is one key press from the clipboard
      button.textContent = "selected";
    }
    said.textContent = `${text.textContent} ${button.textContent}`;
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
  text.after(button);
}
