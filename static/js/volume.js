// The bars of the volume chart are links to their time, and dragging over it chooses the time under it. Without a script the
// table below it has the same links.
(() => {
  "use strict";
  let drag = null;

  // The times where bars begin, and where the last one ends, in milliseconds.
  const startsOf = (plot) => {
    let minutes = 0;
    return plot.dataset.starts.split(" ").flatMap((part) => { // how many minutes, and how many times
      const [length, times] = part.split("*");
      return Array.from({ length: +(times || 1) }, () => (minutes += +length) * 60000);
    });
  };
  const time = (at) => new Date(at).toISOString().slice(0, 16);
  const address = (plot, from, to) => plot.dataset.volume.replace("{from}", time(from)).replace("{to}", time(to));
  const draw = (name, into, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) element.setAttribute(key, attributes[key]);
    into.append(element);
    return element;
  };

  for (const plot of document.querySelectorAll("[data-volume]")) {
    const starts = startsOf(plot);
    const wide = 1200 / Math.max(starts.length - 1, 8);
    let day;
    plot.dataset.titles.split("|").forEach((title, i) => {
      if (!title) return;
      if (title.startsWith(",")) title = day + title; // of the same day as the one before
      day = title.split(",")[0];
      title = title.replace(/: ([\d.,]*\d)/, (all, n) => `${all} event${n === "1" ? "" : "s"}`);
      const link = draw("a", plot.querySelector(".volume-hits"), { href: address(plot, starts[i], starts[i + 1]), tabindex: -1 });
      draw("title", link, {}).textContent = title;
      draw("rect", link, { x: i * wide, width: wide, height: 96 });
    });
  }

  const barAt = (plot, x) => {
    const bars = plot.querySelector(".volume-bars").getBoundingClientRect();
    const starts = startsOf(plot);
    const slots = Math.max(starts.length - 1, 8);
    const bar = Math.floor((x - bars.left) / bars.width * slots);
    return { starts, slots, bar: Math.min(Math.max(bar, 0), starts.length - 2) };
  };
  const mark = (plot, from, to, slots) => {
    const rect = plot.querySelector(".volume-drag");
    rect.setAttribute("x", from / slots * 1200);
    rect.setAttribute("width", to === undefined ? 0 : (to + 1 - from) / slots * 1200);
  };
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
    const starts = startsOf(plot);
    location.assign(address(plot, starts[Math.min(from, to)], starts[Math.max(from, to) + 1]));
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
