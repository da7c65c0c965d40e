// A button with data-copy puts that text on the clipboard and shows for a moment that it did.

const SHOWN_MS = 1600;

// Browsers give the clipboard to secure pages only; many a site in an intranet is plain http.
function copyThroughSelection(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const focused = document.activeElement;
  if (navigator.clipboard) await navigator.clipboard.writeText(button.dataset.copy);
  else copyThroughSelection(button.dataset.copy);
  focused.focus();
  button.classList.add("is-done");
  setTimeout(() => button.classList.remove("is-done"), SHOWN_MS);
});
