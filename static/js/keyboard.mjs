// Keys: "/" goes to the search box; j, k and the arrows move through the hits; c copies the hit one is on.
// Enter opens it without help from here, because moving puts the focus on its link.

const input = document.querySelector("[data-search-input]");

function isTyping(target) {
  return target.closest("input, textarea, select, [contenteditable]") !== null;
}

function move(step) {
  const links = [...document.querySelectorAll("[data-hit-link]")];
  const current = document.activeElement.closest("[data-hit]")?.querySelector("[data-hit-link]");
  const position = current ? links.indexOf(current) + step : 0;
  if (position < 0) return input.focus();
  const link = links[Math.min(position, links.length - 1)];
  link?.focus({ preventScroll: true });
  link?.closest("[data-hit]").scrollIntoView({ block: "nearest" });
}

const actions = {
  "/": () => {
    input.focus();
    input.select();
  },
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  c: () => document.activeElement.closest("[data-hit]")?.querySelector("[data-copy]")?.click(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const leavesInput = event.target === input && event.key === "ArrowDown";
  if (isTyping(event.target) && !leavesInput) return;
  const isArrow = event.key.startsWith("Arrow");
  // Where there are no hits to move through, the arrows scroll the page as always.
  if (isArrow && !document.querySelector("[data-hit]")) return;
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

if (input) document.addEventListener("keydown", onKey);
