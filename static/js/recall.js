// What the pages do better with JavaScript; every page works without it.
(() => {
  "use strict";

  // Copy buttons are hidden until they can work.
  const prepare = (root) => {
    if (!navigator.clipboard) return;
    for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.classList.add("done");
      button.setAttribute("aria-label", "Copied");
      setTimeout(() => {
        button.classList.remove("done");
        button.setAttribute("aria-label", button.title);
      }, 1500);
    } catch { /* the text can still be marked and copied by hand */ }
  });

  // "2 min ago" stays true while the page is open.
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const age = (seconds) => {
    const ahead = seconds < 0;
    seconds = Math.abs(seconds);
    if (seconds < 5) return "just now";
    const [size, name] = units.find(([size]) => seconds >= size) || units[3];
    const text = Math.floor(seconds / size) + " " + name;
    return ahead ? "in " + text : text + " ago";
  };
  // The server's clock counts: the page says what time it was there, so a wrong clock here does no harm.
  const skew = Date.now() - Date.parse(document.documentElement.dataset.now);
  const tick = () => {
    for (const part of document.querySelectorAll("[data-age], .row time span")) {
      const text = age((Date.now() - skew - Date.parse(part.closest("time").dateTime)) / 1000);
      if (part.textContent !== text) part.textContent = text;
    }
  };
  setInterval(tick, 5000);

  // What was done stands above the page: who listens to it hears that first, and goes on from there.
  const said = document.querySelector("main > .notice.tone-good[role=status]");
  addEventListener("load", () => setTimeout(() => { // after the browser has gone to what the address names
    if (!said || document.activeElement !== document.body) return;
    said.tabIndex = -1;
    said.focus({ preventScroll: true });
  }));

  // Escape closes what is open above the page; so does a click beside it.
  const opened = ".menu[open], .pop[open]";
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented) return;
    const box = document.querySelector(opened);
    if (box) { box.open = false; box.querySelector("summary").focus(); }
  });
  document.addEventListener("click", (event) => {
    for (const box of document.querySelectorAll(opened)) if (!box.contains(event.target)) box.open = false;
  });

  // Choosing from a list of the filter searches at once.
  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-submit]")) event.target.form.requestSubmit();
  });

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (event.target.method === "post" && button && !("again" in event.target.dataset)) setTimeout(() => { button.disabled = true; });
  });
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const button of document.querySelectorAll("button[disabled]")) button.disabled = false;
  });

  // Parts of the page came, or were renewed.
  document.addEventListener("recall:rows", () => { prepare(document); tick(); });

  prepare(document);
})();
