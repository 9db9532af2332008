// The live list: new events appear at its top as the server tells of them. Without JavaScript the page is reloaded by hand.
(() => {
  "use strict";

  const box = document.getElementById("tail");
  if (!box || !window.EventSource) return;
  const state = document.getElementById("tail-state");
  const heard = document.getElementById("tail-heard");
  const pause = document.getElementById("tail-pause");
  const more = document.getElementById("tail-more");
  const table = document.querySelector("table.events");
  const mostRows = 200; // on the page; older ones leave it
  const mostHeld = 50; // kept while paused; the rest is counted

  let source;
  let paused = false;
  let held = []; // rows that came while paused, oldest message first
  let waiting = 0; // events that came while paused
  let unshown = 0; // events that have no row
  let heardAt = 0;
  let cursor = "";
  let over = false;

  const number = new Intl.NumberFormat(document.documentElement.dataset.numbers || "en");
  const say = (text) => { if (state.textContent !== text) state.textContent = text; };

  const showCounts = () => {
    const count = waiting + unshown;
    more.hidden = count === 0;
    more.textContent = waiting > 0 ? `${number.format(count)} new, show` : `${number.format(count)} more, show`;
    document.title = document.title.replace(/^\(\d+\+?\) /, "");
    if (waiting > 0) document.title = `(${waiting > 99 ? "99+" : waiting}) ${document.title}`;
  };

  const parse = (html) => {
    const holder = document.createElement("table");
    holder.innerHTML = html || "";
    return holder;
  };
  // The server follows commits, and may tell of what the page has already.
  const freshRows = (part) => [...part.querySelectorAll("tr.row")].filter(
    (row) => !table.querySelector(`a.open[href="${row.querySelector("a.open").getAttribute("href")}"]`));

  // A message brings a body of the table for each day, newest first. Each row is put under its day, once.
  const insert = (html) => {
    for (const body of [...parse(html).tBodies].reverse()) {
      const first = table.tBodies[0];
      const fresh = freshRows(body);
      for (const row of fresh) row.classList.add("fresh");
      if (first && first.dataset.day === body.dataset.day) {
        first.rows[0].after(...fresh);
      } else if (fresh.length) {
        body.replaceChildren(body.rows[0], ...fresh);
        table.tHead.after(body);
      }
    }
    const all = table.querySelectorAll("tr.row");
    for (let i = all.length - 1; i >= mostRows; i--) {
      if (all[i].contains(document.activeElement) || all[i].querySelector(":checked")) continue;
      const body = all[i].parentNode;
      all[i].remove();
      if (body.rows.length === 1) body.remove();
    }
    document.dispatchEvent(new CustomEvent("recall:rows"));
  };

  const tell = (message) => {
    if (message.heard) heardAt = Date.now();
    if (message.reload) { location.replace(box.dataset.fresh); return; }
    say(message.away ? "Database away" : paused ? "Paused" : "");
    if (message.count === 0) return;
    if (!table) { location.replace(box.dataset.fresh); return; }
    if (paused) {
      message.count = freshRows(parse(message.rows)).length + message.more;
      if (message.count === 0) return;
      waiting += message.count;
      held.push(message);
      let rows = held.reduce((n, m) => n + m.count - m.more, 0);
      while (rows > mostHeld && held.length > 1) {
        const left = held.shift();
        rows -= left.count - left.more;
        unshown += left.count;
        waiting -= left.count;
      }
    } else {
      insert(message.rows);
      unshown += message.more;
    }
    showCounts();
  };

  const open = () => {
    if (over || source) return;
    say("Connecting…");
    const url = new URL(box.dataset.url, location.href);
    if (cursor) url.searchParams.set("since", cursor);
    source = new EventSource(url);
    source.onmessage = (event) => {
      cursor = event.lastEventId || cursor;
      tell(JSON.parse(event.data));
    };
    source.addEventListener("end", () => {
      over = true;
      close();
      say("Your session is over: log in again");
    });
    source.onerror = () => {
      say("Connection lost, trying again");
      if (source && source.readyState === EventSource.CLOSED) { // refused: too many, or logged out
        close();
        setTimeout(open, 15000);
      }
    };
  };
  const close = () => {
    if (source) source.close();
    source = undefined;
  };

  const setPaused = (now) => {
    paused = now;
    pause.textContent = paused ? "Go on" : "Pause";
    box.classList.toggle("paused", paused);
    if (!paused) {
      for (const message of held) { insert(message.rows); unshown += message.more; }
      held = [];
      waiting = 0;
    }
    say(paused ? "Paused" : "");
    showCounts();
  };
  pause.hidden = false;
  pause.addEventListener("click", () => setPaused(!paused));
  more.addEventListener("click", (event) => {
    if (!waiting || unshown) return; // to the list anew
    event.preventDefault();
    setPaused(false);
  });

  // A list that nobody looks at gives its connection back, and catches up when it is looked at again.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { close(); say("Resting"); } else open();
  });

  setInterval(() => {
    if (!heardAt) return;
    const seconds = Math.round((Date.now() - heardAt) / 1000);
    const text = seconds < 2 ? "heard just now" : `heard ${seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`} ago`;
    if (heard.textContent !== text) heard.textContent = text;
    box.classList.toggle("stale", seconds > 15);
  }, 1000);

  open();
})();
