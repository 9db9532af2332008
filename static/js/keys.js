// Keys for those who do not like to leave the keyboard. They can be switched off, in this browser, in their own help.
(() => {
  "use strict";

  const help = document.getElementById("keys");
  if (!help) return;
  const stored = "recall_keys_off";
  const off = () => { try { return localStorage.getItem(stored) === "1"; } catch { return false; } };
  const toggle = document.getElementById("keys-on");
  toggle.checked = !off();
  toggle.addEventListener("change", () => {
    try { localStorage.setItem(stored, toggle.checked ? "0" : "1"); } catch { /* they stay on */ }
  });
  for (const button of document.querySelectorAll("[data-keys]")) {
    button.hidden = false;
    button.addEventListener("click", () => help.showModal());
  }

  const places = { o: "/overview", e: "/events", f: "/failures", s: "/sources", d: "/destinations", r: "/replays", a: "/alerts", v: "/views" };
  let going = 0;

  const move = (step) => {
    const rows = [...document.querySelectorAll("tr.row a.open")];
    if (!rows.length) {
      const page = document.querySelector(step > 0 ? "a[rel=next]" : "a[rel=prev]");
      if (page) page.click();
      return;
    }
    const row = document.activeElement.closest("tr.row");
    const at = row ? rows.indexOf(row.querySelector("a.open")) : step > 0 ? -1 : rows.length;
    const next = rows[at + step];
    if (next) {
      next.focus({ preventScroll: true });
      next.closest("tr").scrollIntoView({ block: "nearest" });
    }
  };

  document.addEventListener("keydown", (event) => {
    if (off() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input:not([type=checkbox]):not([type=radio]), textarea, select, dialog[open]")) return;
    if (going && event.timeStamp - going < 1500) {
      going = 0;
      if (places[event.key]) { event.preventDefault(); location.assign(places[event.key]); }
      return;
    }
    switch (event.key) {
      case "j": move(1); break;
      case "k": move(-1); break;
      case "g": going = event.timeStamp; break;
      case "x": {
        const row = document.activeElement.closest("tr.row");
        const mark = row && row.querySelector("[name=id]");
        if (!mark) return;
        mark.click();
        break;
      }
      case "l": {
        const live = document.getElementById("live");
        if (!live) return;
        live.click();
        break;
      }
      case "?": help.showModal(); break;
      case "/": {
        const box = document.getElementById("q");
        if (!box) return;
        box.focus();
        box.select();
        break;
      }
      default: return;
    }
    event.preventDefault();
  });
})();
