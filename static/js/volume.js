// Dragging over the volume chart chooses the time under it. Everything else on the chart are links, which need no script.
(() => {
  "use strict";
  let drag = null;

  const barAt = (plot, x) => {
    const bars = plot.querySelector(".volume-bars").getBoundingClientRect();
    const starts = plot.dataset.starts.split(" ");
    const slots = Math.max(starts.length - 1, 8);
    const bar = Math.floor((x - bars.left) / bars.width * slots);
    return { starts, slots, bar: Math.min(Math.max(bar, 0), starts.length - 2) };
  };
  const mark = (plot, from, to, slots) => {
    const rect = plot.querySelector(".volume-drag");
    rect.setAttribute("x", from / slots * 1200);
    rect.setAttribute("width", to === undefined ? 0 : (to + 1 - from) / slots * 1200);
  };
  const time = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16);

  document.addEventListener("pointerdown", (event) => {
    const plot = event.target.closest && event.target.closest(".volume-bars") && event.target.closest("[data-volume]");
    if (!plot || event.button !== 0) return;
    drag = { plot, x: event.clientX, from: barAt(plot, event.clientX).bar, moved: false };
  });
  document.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (!drag.moved && Math.abs(event.clientX - drag.x) < 6) return;
    drag.moved = true;
    const at = barAt(drag.plot, event.clientX);
    drag.to = at.bar;
    mark(drag.plot, Math.min(drag.from, at.bar), Math.max(drag.from, at.bar), at.slots);
  });
  const end = (event) => {
    if (!drag) return;
    const { plot, from, to, moved } = drag;
    drag = null;
    if (!moved) return;
    mark(plot, 0, undefined, 1);
    if (event.type !== "pointerup") return;
    // The click that follows the drag is not meant for the bar below it.
    addEventListener("click", (click) => { click.preventDefault(); click.stopPropagation(); }, { capture: true, once: true });
    const starts = plot.dataset.starts.split(" ");
    const first = time(starts[Math.min(from, to)]), last = time(starts[Math.max(from, to) + 1]);
    location.assign(plot.dataset.volume.replace("{from}", first).replace("{to}", last));
  };
  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", end);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !drag) return;
    mark(drag.plot, 0, undefined, 1);
    drag = null;
  });
  document.addEventListener("dragstart", (event) => {
    if (event.target.closest && event.target.closest(".volume-bars")) event.preventDefault();
  });
})();
