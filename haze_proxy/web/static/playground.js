// A chat with a model. What a model says becomes text and never a part of the page.
"use strict";
const at = (id) => document.getElementById(id);
const talk = at("talk"), form = at("ask"), message = at("message");
const PLACE = "/dashboard/playground";
const LOOKS = 12, LOOK_MS = 400;
const NANO = 1e9;
let turns = [], running = null, spent = 0, tokens = 0, answers = 0;

at("scriptless").hidden = true;
at("playground").hidden = false;

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function turn(who, className) {
  const made = element("article", `turn ${className}`);
  const said = element("div", "said");
  made.append(element("h2", "", who), said);
  talk.append(made);
  return { made, said };
}

// Blocks between fences become code; everything else stays as it was said.
function render(said, text) {
  said.replaceChildren(...text.split(/^```/m).map((part, number) => {
    if (number % 2 === 0) return document.createTextNode(number ? part.replace(/^\n/, "") : part);
    const block = element("pre");
    block.tabIndex = 0;
    block.append(element("code", "", part.replace(/^[^\n]*\n/, "")));
    return block;
  }));
}

function body() {
  const fields = new FormData(form), system = fields.get("system").trim();
  const asked = { model: fields.get("model"), stream: true, stream_options: { include_usage: true } };
  asked.messages = [...(system ? [{ role: "system", content: system }] : []), ...turns];
  if (fields.get("temperature")) asked.temperature = Number(fields.get("temperature"));
  if (fields.get("most")) asked.max_completion_tokens = Number(fields.get("most"));
  return JSON.stringify(asked);
}

async function* events(answer) {
  const decoder = new TextDecoder(), reader = answer.body.getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const data = line.startsWith("data:") ? line.slice(5).trim() : "";
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

async function listen(answer, said, heard) {
  for await (const event of events(answer)) {
    if (event.error) throw new Error(event.error.message);
    const delta = event.choices?.[0]?.delta ?? {};
    const thought = delta.reasoning ?? delta.reasoning_content;
    if (thought && !heard.text && !said.querySelector(".thinking")) said.append(element("span", "thinking", "Thinking …"));
    if (!delta.content) continue;
    if (!heard.text) said.replaceChildren();
    heard.text += delta.content;
    said.append(delta.content);
  }
}

async function refusal(answer) {
  if (answer.redirected) return { text: "You are not logged in any more. Reload the page." };
  const told = await answer.json().catch(() => ({}));
  const text = told.error?.message ?? `Haze answered ${answer.status}.`;
  return { text, link: answer.status === 402 ? ["/dashboard/billing", "Billing"] : null };
}

function complain(made, { text, link }) {
  const notice = element("div", "notice bad", `${text} `);
  notice.setAttribute("role", "alert");
  if (link) {
    const to = element("a", "", link[1]);
    to.href = link[0];
    notice.append(to);
  }
  made.append(notice);
}

async function ask() {
  const { made, said } = turn(form.model.value, "theirs");
  const heard = { text: "", request: "" };
  running = new AbortController();
  busy(true);
  try {
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    const answer = await fetch(`${PLACE}/chat`, { method: "POST", body: body(), headers, signal: running.signal });
    heard.request = answer.headers.get("request-id") ?? "";
    if (!answer.ok || answer.redirected) throw await refusal(answer);
    await listen(answer, said, heard);
  } catch (error) {
    const stopped = error.name === "AbortError";
    if (!stopped) complain(made, error.text ? error : { text: error instanceof TypeError ? "The connection broke." : error.message });
    heard.stopped = true;
  }
  finish(made, said, heard);
}

function finish(made, said, heard) {
  busy(false);
  if (heard.text) {
    render(said, heard.text);
    turns.push({ role: "assistant", content: heard.text });
  } else {
    if (!heard.stopped) said.replaceChildren(element("span", "thinking", "The answer is empty."));
    else said.remove();
    const again = turns.pop();
    if (heard.stopped && !message.value) message.value = again.content;
  }
  if (!heard.request) made.append(element("p", "cost", "It was stopped before it began, and costs nothing."));
  else if (heard.text || !made.querySelector(".notice")) account(made, heard);
  message.focus();
}

// An answer that came to its end is charged by then; one that was stopped is a moment later.
async function account(made, heard) {
  const line = element("p", "cost", "…");
  made.append(line);
  for (let look = 0; look < LOOKS; look += 1) {
    if (heard.stopped || look) await new Promise((done) => { setTimeout(done, LOOK_MS); });
    const answer = await fetch(`${PLACE}/cost/${heard.request}`, { headers: { Accept: "application/json" } }).catch(() => null);
    const told = answer?.ok ? await answer.json() : null;
    if (!told || told.state === "open") continue;
    show(line, told, heard);
    return;
  }
  line.textContent = "What it cost stands under Usage.";
}

function show(line, told, heard) {
  spent += told.cost; tokens += told.input + told.output; answers += 1;
  const how = `${heard.stopped ? " · stopped" : ""}${told.estimated ? " · counted by Haze" : ""}`;
  line.textContent = `${told.input.toLocaleString("en")} + ${told.output.toLocaleString("en")} tokens · ${told.shown}${how} · `;
  const receipt = element("a", "", "Receipt");
  receipt.href = `/dashboard/usage/${heard.request}`;
  line.append(receipt);
  const usd = (spent / NANO).toFixed(9).replace(/0{1,7}$/, "");
  at("total").textContent = `${answers} answer${answers === 1 ? "" : "s"}, ${tokens.toLocaleString("en")} tokens, $${usd}`;
}

function busy(is) {
  talk.setAttribute("aria-busy", is);
  at("send").hidden = is;
  at("stop").hidden = !is;
  at("anew").hidden = is || !talk.childElementCount;
  if (!is) running = null;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = message.value.trim();
  if (running || !text) return;
  turns.push({ role: "user", content: text });
  turn("You", "mine").said.textContent = text;
  message.value = "";
  ask();
});
message.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});
at("stop").addEventListener("click", () => running?.abort());
at("anew").addEventListener("click", () => {
  turns = [];
  talk.replaceChildren();
  busy(false);
  message.focus();
});
