// The graph by keyboard: one stop, arrows move, Enter zooms, Escape returns.
(() => {
  const graph = document.querySelector("svg");
  const frames = [...document.querySelectorAll("#frames > g")];
  // The window of this frame has no address to keep a zoom in.
  history.replaceState = () => {};
  const box = (frame) => {
    const rect = frame.querySelector("rect");
    const left = Number(rect.getAttribute("fg:x"));
    return { left, right: left + Number(rect.getAttribute("fg:w")), top: Number(rect.getAttribute("y")) };
  };
  const boxes = new Map(frames.map((frame) => [frame, box(frame)]));
  const shown = () => frames.filter((frame) => !frame.classList.contains("hide"));
  const row = (top) =>
    shown().filter((frame) => boxes.get(frame).top === top).sort((a, b) => boxes.get(a).left - boxes.get(b).left);
  const rows = [...new Set([...boxes.values()].map((one) => one.top))].sort((a, b) => a - b);
  const over = (a, b) => a.left < b.right && b.left < a.right;
  const details = document.getElementById("details").firstChild;
  let current = frames.find((frame) => boxes.get(frame).top === rows[0]);

  const click = (node) => node.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  const focus = (frame) => {
    if (!frame) return;
    current.setAttribute("tabindex", "-1");
    current = frame;
    current.setAttribute("tabindex", "0");
    current.focus();
  };
  const moves = {
    ArrowDown: (at, place) => row(rows[rows.indexOf(at.top) + 1]).find((frame) => over(boxes.get(frame), at)),
    ArrowUp: (at, place) => row(rows[rows.indexOf(at.top) - 1]).find((frame) => over(boxes.get(frame), at)),
    ArrowRight: (at, place) => row(at.top)[place + 1],
    ArrowLeft: (at, place) => row(at.top)[place - 1],
  };

  for (const frame of frames) {
    frame.setAttribute("role", "button");
    frame.setAttribute("tabindex", "-1");
    frame.setAttribute("aria-label", frame.querySelector("title").textContent);
    frame.addEventListener("focus", () => { details.nodeValue = frame.getAttribute("aria-label"); });
  }
  current?.setAttribute("tabindex", "0");
  for (const id of ["search", "unzoom"]) {
    const node = document.getElementById(id);
    node.setAttribute("role", "button");
    node.setAttribute("tabindex", "0");
  }
  graph.addEventListener("keydown", (event) => {
    const frame = event.target.closest("#frames > g");
    if (event.key === "Enter" || event.key === " ") click(event.target);
    else if (event.key === "Escape") { click(document.getElementById("unzoom")); focus(current); }
    else if (frame && moves[event.key]) focus(moves[event.key](boxes.get(frame), row(boxes.get(frame).top).indexOf(frame)));
    else return;
    event.preventDefault();
  });
})();
