// Runs before the first paint, so that a chosen theme never flashes the other one. Not a module: those come too late.

{
  let chosen = null;
  try {
    chosen = localStorage.getItem("theme");
  } catch {
    // Storage is off: the theme is by preference.
  }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
