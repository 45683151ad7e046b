// Looks whether a client has called, and shows what the page then says. Without this file "Look again" does the same.
"use strict";
const seen = document.getElementById("seen");
const again = document.getElementById("again");
const FIRST_MS = 1000, LAST_MS = 5000, GROWTH = 1.25, END_MS = 10 * 60 * 1000;
let wait = FIRST_MS, timer = 0, end = Date.now() + END_MS;

function later() {
  clearTimeout(timer);
  const over = Date.now() > end;
  again.hidden = !over;
  if (!over && !document.hidden) timer = setTimeout(look, wait);
}

async function look() {
  try {
    const answer = await fetch(seen.dataset.state, { headers: { Accept: "application/json" } });
    if (!answer.ok || answer.redirected) throw new Error("The session is over.");
    const told = await answer.json();
    if (told.mark !== seen.dataset.mark) await show();
    wait = Math.min(LAST_MS, wait * GROWTH);
  } catch {
    wait = LAST_MS; // Haze may be restarting; logged out, the page says so once it is loaded again
  }
  later();
}

async function show() {
  const answer = await fetch(location.href);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("seen");
  if (!answer.ok || !fresh) return;
  seen.replaceChildren(...fresh.childNodes);
  seen.dataset.mark = fresh.dataset.mark;
  wait = FIRST_MS;
}

document.addEventListener("visibilitychange", () => { wait = FIRST_MS; later(); });
later();
