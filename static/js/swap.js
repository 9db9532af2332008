// Parts of a page renew themselves while somebody reads it. What was opened stays open, the focus stays where it was, and
// nothing is taken away under a finger or from under what is being typed.
(() => {
  "use strict";

  const places = "a[href], button, summary, input, select, textarea";
  let pressed = false;
  let open = [];
  let focused;
  let were = "";

  // What a screen reader says when a state has changed: the renewed part itself comes too new to be read out.
  const teller = document.createElement("p");
  teller.className = "unseen";
  teller.setAttribute("role", "status");
  document.body.append(teller);
  const states = (part) => [...part.querySelectorAll(".badge")].map((badge) => badge.textContent.trim()).join(", ");

  const release = () => setTimeout(() => { pressed = false; }); // after the click that follows
  addEventListener("pointerdown", () => { pressed = true; }, true);
  addEventListener("pointerup", release, true);
  addEventListener("pointercancel", release, true);
  addEventListener("blur", release);

  // An address that names a part to be unfolded shows it unfolded.
  const unfold = () => {
    const part = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (part instanceof HTMLDetailsElement) part.open = true;
  };
  addEventListener("hashchange", unfold);
  unfold();

  const changed = (field) => {
    if (field === document.activeElement) return true;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.options) return field.selectedIndex > 0 && !field.options[field.selectedIndex].defaultSelected;
    return field.value !== field.defaultValue;
  };
  const inUse = (part) => pressed || [...part.querySelectorAll("input, select, textarea")].some(changed);

  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    if (!detail.requestConfig.triggeringEvent && inUse(detail.target)) {
      detail.shouldSwap = false; // it comes again
      return;
    }
    were = states(detail.target);
    open = [...document.querySelectorAll("details[id][open]")].map((d) => d.id);
    const active = document.activeElement;
    const near = detail.target.contains(active) && active.closest("[id]");
    focused = near && [near.id, [...near.querySelectorAll(places)].indexOf(active)];
  });
  document.addEventListener("htmx:afterSwap", ({ detail }) => {
    const now = document.getElementById(detail.target.id);
    if (now && states(now) !== were) teller.textContent = states(now);
    for (const id of open) {
      const details = document.getElementById(id);
      if (details) details.open = true;
    }
    const near = focused && document.getElementById(focused[0]);
    const to = near && (near.querySelectorAll(places)[focused[1]] || near);
    if (to && to !== document.activeElement) to.focus({ preventScroll: true });
    document.dispatchEvent(new CustomEvent("recall:rows"));
  });
})();
