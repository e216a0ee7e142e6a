/* What pages do beyond what they can do by themselves: keys, what happens meanwhile, previews.
   Everything here is an addition: without it, reading and deciding work all the same. */
"use strict";

(() => {
  const body = document.body;
  const base = body.dataset.base;
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // --- parts of pages, fetched again ---

  const unmarked = (html) => html.replace(/name="csrf" value="[0-9a-f]+"/g, "");

  async function part(url, target, options = {}) {
    const answer = await fetch(url, { headers: { "HX-Request": "true" }, ...options }).catch(() => null);
    if (!answer || !answer.ok) return false;
    const html = await answer.text();
    if (unmarked(html) !== target.shownPart) {
      target.shownPart = unmarked(html);
      htmx.swap(target, html, { swapStyle: "innerHTML" });
    }
    return true;
  }

  const address = (path, query, extra) => {
    const parameters = new URLSearchParams(query || "");
    for (const [name, value] of Object.entries(extra)) parameters.set(name, value);
    return `${path}?${parameters}`;
  };

  // --- what happens meanwhile ---

  /* Follow what happens. A hidden page lets go of its connection, as a browser has few of them, and
     looks once when it is seen again, unless it is to hear `always`. `look` is called whenever
     something may have been missed. */
  function follow(url, events, look, always = false) {
    let source = null;
    const open = () => {
      source = new EventSource(url);
      source.addEventListener("open", () => { body.removeAttribute("data-offline"); look(); });
      source.addEventListener("error", () => {
        body.setAttribute("data-offline", "");
        if (source && source.readyState === EventSource.CLOSED) setTimeout(restart, 2000);
      });
      for (const [name, heard] of Object.entries(events)) {
        source.addEventListener(name, (event) => heard(JSON.parse(event.data)));
      }
    };
    const close = () => { if (source) source.close(); source = null; };
    const restart = () => { if (source) { close(); open(); } };
    document.addEventListener("visibilitychange", () => {
      if (document.hidden && !always) close();
      else if (!source) open();
    });
    addEventListener("pagehide", close);
    addEventListener("pageshow", (event) => { if (event.persisted && !source) open(); });
    if (always || !document.hidden) open();
    return close;
  }

  /* Call something once more after it has ended, however often it was asked for meanwhile. */
  function oneAtATime(work) {
    let running = false, again = false;
    return async () => {
      if (running) { again = true; return; }
      running = true;
      do { again = false; await work(); } while (again);
      running = false;
    };
  }

  function followList() {
    const fresh = one("[data-fresh]");
    const count = oneAtATime(async () => {
      const answer = await fetch(address(`${base}/new`, body.dataset.query, { since: body.dataset.since })).catch(() => null);
      if (!answer || !answer.ok) return;
      const number = await answer.text();
      fresh.hidden = number === "0";
      const told = `${number} new`;
      if (number !== "0" && fresh.textContent !== told) fresh.textContent = told;
    });
    follow(`${base}/live`, {
      list: (news) => {
        if (news.opened) count();
        for (const each of news.closed) {
          const row = one(`.row[data-id="${each.id}"]`);
          if (!row || !row.classList.contains("open")) continue;
          row.classList.add("gone");
          one("[data-now]", row).textContent = each.said;
          const box = one(".pick input", row);
          box.checked = false;
          box.disabled = true;
          tell();
        }
      },
    }, count);
  }

  // --- what is new for whoever looks, since they have last looked at their list ---

  const unread = oneAtATime(async () => {
    const badge = one("[data-unread]");
    if (!badge || document.hidden) return;
    const key = `signoff-seen:${badge.dataset.unread}`;
    const listed = body.dataset.page === "list";
    if (listed || !localStorage.getItem(key)) {
      localStorage.setItem(key, listed ? body.dataset.since : new Date().toISOString());
      if (listed) return;
    }
    const since = localStorage.getItem(key);
    const answer = await fetch(address(`${base}/new`, "", { view: "mine", since })).catch(() => null);
    if (!answer || !answer.ok) return;
    const number = await answer.text();
    badge.hidden = number === "0";
    badge.firstElementChild.textContent = number;
  });

  // --- notifications of the browser, for whoever has switched them on ---

  const notifications = {
    key: "signoff-notify",
    stop: null,
    offered: () => "Notification" in window && isSecureContext,
    on: () => notifications.offered() && Notification.permission === "granted" && localStorage.getItem(notifications.key) === "yes",
    follow() {
      if (notifications.stop) notifications.stop();
      notifications.stop = notifications.on() ? follow(`${base}/live?mine=true`, {
        asked: ({ items }) => {
          unread();
          for (const { id, title } of items) {
            // Of several pages that are open, the last one's takes the place of the others'.
            const shown = new Notification(title, { body: "A decision is needed.", tag: id });
            shown.onclick = () => { focus(); location.href = `${base}/requests/${id}`; };
          }
        },
      }, () => {}, true) : null;
    },
    offer() {
      const panel = one("[data-browser]");
      if (!panel || !notifications.offered()) return;
      const button = one("[data-browser-switch]", panel), blocked = one("[data-browser-blocked]", panel);
      const show = () => {
        button.textContent = notifications.on() ? "Stop notifying me in this browser" : "Notify me in this browser";
        blocked.hidden = Notification.permission !== "denied";
      };
      button.addEventListener("click", async () => {
        const on = !notifications.on() && await Notification.requestPermission() === "granted";
        localStorage.setItem(notifications.key, on ? "yes" : "no");
        notifications.follow();
        show();
      });
      panel.hidden = false;
      show();
    },
  };

  function followRequest() {
    const { url, query, thread, digest, version } = body.dataset;
    const next = one("#next"), live = one("#live");
    const look = oneAtATime(async () => {
      if (body.dataset.state !== "open") {
        await part(address(url, query, { part: "next" }), next);
        return;
      }
      await part(address(url, query, { part: "live", digest, version }), live);
      const stale = one("[data-closed], [data-changed]", live);
      if (stale) for (const button of all(".decide button")) button.disabled = true;
    });
    follow(address(`${base}/live`, "", { thread }), { changed: look }, look);
  }

  function followPart() {
    const shown = one("[data-live-part]");
    const look = oneAtATime(() => part(shown.dataset.livePart, shown));
    follow(address(`${base}/live`, "", { thread: body.dataset.thread }), { changed: look }, look);
  }

  // --- times ---

  function span(seconds) {
    const s = Math.abs(seconds), minute = 60, hour = 3600, day = 86400;
    if (s < minute) return "less than a minute";
    if (s < hour) return `${Math.floor(s / minute)} min`;
    if (s < day) {
      const minutes = Math.floor((s % hour) / minute);
      return `${Math.floor(s / hour)} h` + (minutes && s < 6 * hour ? ` ${minutes} min` : "");
    }
    const hours = Math.floor((s % day) / hour);
    return `${Math.floor(s / day)} d` + (hours && s < 3 * day ? ` ${hours} h` : "");
  }

  function tick() {
    for (const element of all("time[data-style]")) {
      const left = (new Date(element.dateTime) - Date.now()) / 1000;
      let said = element.textContent;
      if (element.dataset.style === "ago") said = left > -60 ? "just now" : `${span(left)} ago`;
      if (element.dataset.style === "due") said = left > 0 ? `due in ${span(left)}` : `overdue by ${span(left)}`;
      if (element.dataset.style === "ahead") said = left > 0 ? `in ${span(left)}` : "any moment";
      if (said !== element.textContent) element.textContent = said;
      element.title = new Date(element.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
    }
  }

  // --- selecting ---

  let lastPicked = null;

  function tell() {
    const chosen = all(".pick input:checked").length;
    const said = one("[data-chosen]");
    if (said) said.textContent = `${chosen} selected`;
  }

  function picked(event) {
    const boxes = all(".pick input:not(:disabled)");
    const box = event.target;
    if (event.shiftKey && lastPicked) {
      const [from, to] = [boxes.indexOf(lastPicked), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
    }
    lastPicked = box;
    tell();
  }

  // --- claiming ---

  /* Claim the request whose row has the focus, or release it. Only who has it changes in the row. */
  async function claim() {
    const row = document.activeElement.closest(".row.open:not(.gone)");
    if (!row) return;
    const verb = "claimed" in row.dataset ? "release" : "claim";
    const sent = new URLSearchParams({ csrf: row.closest("form").elements.csrf.value });
    const path = `${base}/rows/${row.dataset.id}/${verb}`;
    const answer = await fetch(path, { method: "POST", body: sent }).catch(() => null);
    const page = new DOMParser().parseFromString(answer ? await answer.text() : "", "text/html");
    const after = one(".row", page);
    const said = one("[data-now]", row);
    said.setAttribute("role", "status");
    said.textContent = after ? one("[data-now]", after).textContent : "That did not work: load the page again.";
    if (!after) return;
    row.toggleAttribute("data-claimed", "claimed" in after.dataset);
    one(".who", row).setAttribute("role", "status");
    one(".who", row).replaceChildren(...one(".who", after).childNodes);
  }

  // --- keys ---

  function move(step) {
    const links = all(".row .title");
    if (!links.length) {
      const next = one("[data-next]");
      if (step > 0 && next) next.click();
      return;
    }
    const row = document.activeElement.closest(".row");
    const at = row ? links.findIndex((link) => row.contains(link)) : step > 0 ? -1 : links.length;
    const link = links[Math.min(links.length - 1, Math.max(0, at + step))];
    link.focus();
    link.scrollIntoView({ block: "nearest" });
  }

  /* Go to an action: its button, or the first field of its form. Enter, or the key again, does it. */
  function go(key) {
    const found = one(`[data-key="${key}"]`);
    if (!found) return false;
    if (found.tagName === "DETAILS") {
      found.open = true;
      const field = one("input:not([type=hidden]), select, textarea", found);
      (field || one("button", found)).focus();
    } else if (document.activeElement === found) {
      found.click();
    } else {
      found.focus();
    }
    found.scrollIntoView({ block: "nearest" });
    return true;
  }

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    x: () => {
      const row = document.activeElement.closest(".row");
      const box = row && one(".pick input:not(:disabled)", row);
      if (box) box.click();
    },
    c: () => { const button = one('button[data-key="c"]'); if (button) button.click(); else claim(); },
    n: () => { const next = one("[data-next]"); if (next) next.click(); },
    u: () => { const back = one("[data-back]"); if (back) back.click(); },
    "/": () => { const search = one("[data-search]"); if (search) { search.focus(); search.select(); } else location.href = `${base}?view=open#q`; },
    "?": () => one("#help").showModal(),
    a: () => go("a"),
    r: () => go("r"),
    e: () => go("e"),
  };

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const at = event.target;
    if (event.key === "Escape" && at.matches("input, textarea, select")) { at.blur(); return; }
    if (at.matches("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])")) return;
    if (one("dialog[open]")) return;
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  }

  // --- forms ---

  function once(event) {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    // It is sent with the button that was pressed, so that is disabled only afterwards.
    setTimeout(() => { for (const button of all("button", form)) button.disabled = true; });
  }

  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of all("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of all("button", form)) button.disabled = false;
    }
  });

  function previews(form) {
    const shown = one("[data-preview-part]", form);
    const button = one("[data-previews]", form);
    if (button) button.hidden = true;
    let timer = null;
    const look = oneAtATime(async () => {
      const typed = new URLSearchParams(new FormData(form));
      typed.set("preview", "1");
      await part(form.action, shown, { method: "POST", body: typed });
    });
    form.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, 350); });
  }

  // --- all together ---

  document.addEventListener("keydown", pressed);
  document.addEventListener("submit", once);
  document.addEventListener("click", (event) => {
    if (event.target.matches(".pick input")) picked(event);
    const me = one(".me[open]");
    if (me && !me.contains(event.target)) me.open = false;
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });
  for (const button of all("[data-help]")) {
    button.hidden = false;
    button.addEventListener("click", keys["?"]);
  }
  for (const details of all("details[data-load]")) {
    details.addEventListener("toggle", () => { if (details.open) part(details.dataset.load, one(".loads", details)); });
  }
  for (const form of all("form[data-preview]")) previews(form);
  tell();
  tick();
  setInterval(tick, 30_000);
  document.addEventListener("htmx:afterSwap", tick);

  if (body.dataset.page === "list") followList();
  if (body.dataset.page === "request") {
    followRequest();
    const done = new URLSearchParams(location.search).get("done");
    if (done === "decided") { const next = one("#next [data-next]"); if (next) next.focus({ preventScroll: true }); }
    const wrong = one("[aria-invalid=true]");
    if (wrong) wrong.focus();
  }
  if (one("[data-live-part]")) followPart();
  unread();
  setInterval(unread, 60_000);
  document.addEventListener("visibilitychange", unread);
  notifications.offer();
  if (notifications.on()) notifications.follow();
})();
