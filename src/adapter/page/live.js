// Reloads while somebody looks, and not while the reader has opened something or asked for rest.
(() => {
  const box = document.querySelector(".live");
  const button = box.querySelector("button");
  const status = box.querySelector("[role=status]");
  const every = Number(box.dataset.every) * 1000;
  let paused = false;
  const open = new Set(document.querySelectorAll("details[open]"));
  const reading = () =>
    [...document.querySelectorAll("details[open]")].some((one) => !open.has(one)) ||
    document.activeElement?.tagName === "IFRAME" ||
    !getSelection().isCollapsed;
  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", paused);
    status.textContent = paused ? "Paused." : "";
  });
  setInterval(() => {
    if (!paused && !document.hidden && !reading()) location.reload();
  }, every);
})();
