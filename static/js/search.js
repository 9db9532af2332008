// Suggestions for the search box, as a listbox under it. The box is one without them, too.
(() => {
  "use strict";

  const box = document.getElementById("q");
  const list = document.getElementById("q-list");
  if (!box || !list) return;
  const bytes = new TextEncoder();
  const text = new TextDecoder();
  let found = [];
  let chosen = -1;
  let asked = 0;
  let timer;

  // How many events there are is asked for once the page is there.
  const count = document.getElementById("count");
  if (count && count.dataset.url) {
    fetch(count.dataset.url, { redirect: "error" })
      .then(async (answer) => { if (answer.ok) count.textContent = await answer.text(); })
      .catch(() => { /* the link is still there */ });
  }

  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", "q-list");
  box.setAttribute("aria-expanded", "false");

  const close = () => {
    found = [];
    chosen = -1;
    list.hidden = true;
    list.replaceChildren();
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  };
  const choose = (i) => {
    chosen = i;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === i)));
    if (i < 0) { box.removeAttribute("aria-activedescendant"); return; }
    box.setAttribute("aria-activedescendant", list.children[i].id);
    list.children[i].scrollIntoView({ block: "nearest" });
  };
  const show = (suggestions) => {
    if (!suggestions.length || document.activeElement !== box) { close(); return; }
    const kept = chosen < 0 ? undefined : found[chosen].insert; // a later answer does not take the choice away
    found = suggestions;
    list.replaceChildren(...found.map((one, i) => {
      const option = document.createElement("li");
      option.id = `q-option-${i}`;
      option.role = "option";
      option.setAttribute("aria-selected", "false");
      const insert = document.createElement("span");
      insert.className = "mono";
      insert.textContent = one.insert;
      option.append(insert);
      if (one.words) {
        const words = document.createElement("span");
        words.className = "soft small";
        words.textContent = one.words;
        option.append(" ", words);
      }
      return option;
    }));
    list.hidden = false;
    box.setAttribute("aria-expanded", "true");
    choose(found.findIndex((one) => one.insert === kept));
  };
  const take = (i) => {
    const one = found[i];
    const all = bytes.encode(box.value);
    const before = text.decode(all.slice(0, one.from)) + one.insert + (one.more ? "" : " ");
    const after = text.decode(all.slice(one.to));
    box.value = before + (one.more ? after : after.replace(/^ /, ""));
    box.setSelectionRange(before.length, before.length);
    close();
    if (one.more) ask();
  };
  const ask = async () => {
    const mine = ++asked;
    const at = bytes.encode(box.value.slice(0, box.selectionStart)).length;
    try {
      const answer = await fetch(`/events/suggest?q=${encodeURIComponent(box.value)}&at=${at}`, { redirect: "error" });
      const suggestions = answer.ok ? await answer.json() : [];
      if (mine === asked) show(suggestions);
    } catch { close(); }
  };

  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 120);
  });
  box.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp":
        event.preventDefault();
        if (!open) { ask(); break; }
        choose(event.key === "ArrowDown" ? (chosen + 1) % found.length : (chosen <= 0 ? found.length : chosen) - 1);
        break;
      case "Enter":
        if (open && chosen >= 0) { event.preventDefault(); take(chosen); } else { asked++; close(); }
        break;
      case "Tab":
        asked++;
        close();
        break;
      case "Escape":
        if (open) { event.preventDefault(); event.stopPropagation(); asked++; close(); }
        break;
    }
  });
  box.addEventListener("blur", () => { clearTimeout(timer); asked++; close(); });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the box keeps the focus
    const option = event.target.closest("[role=option]");
    if (option) take([...list.children].indexOf(option));
  });
})();
