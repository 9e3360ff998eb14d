// The page of `viral serve`: a customer, sliders, a list. All texts go in as text, never as markup.
"use strict";

const at = (id) => document.getElementById(id);
const PAGE = 24;

/** What is shown: a known user or liked items, the blocks' weights, and how many items. */
const state = { user: null, liked: new Map(), weights: new Map(), k: PAGE, found: 0 };

/** An element with properties and children. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** JSON of the service, or an error with its sentence. */
async function ask(path, body) {
  const request = body === undefined ? {} : {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  };
  const response = await fetch(path, request);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

const name = (item) => item.title || item.item; // an item without a title has an empty one
const picture = (item) =>
  make("img", { src: `picture?item=${encodeURIComponent(item.item)}`, alt: "", loading: "lazy", width: 100, height: 100 });

/** A picture with its title, to click. */
function tile(item, click, pressed) {
  const button = make("button", { type: "button", title: name(item) }, picture(item), make("span", { className: "title", textContent: name(item) }));
  if (pressed !== undefined) button.setAttribute("aria-pressed", String(pressed));
  button.dataset.item = item.item;
  button.addEventListener("click", () => click(item, button));
  return make("li", {}, button);
}

function say(text) {
  at("status").textContent = text;
}

// Answers that come late are answers to an earlier question.
let question = 0;

/** Asks for the list and shows it. */
async function refresh() {
  const body = { k: state.k, weights: Object.fromEntries(state.weights) };
  if (state.user !== null) body.user = state.user;
  else if (state.liked.size > 0) body.liked = [...state.liked.keys()];
  else {
    at("list").replaceChildren();
    at("more").hidden = true;
    return say("Pick a customer, or invent one.");
  }
  const mine = ++question;
  try {
    const start = performance.now();
    const answer = await ask("recommend", body);
    if (mine !== question) return;
    show(answer);
    const whom = state.user !== null ? `customer ${state.user}` : `somebody who likes ${state.liked.size} item${state.liked.size > 1 ? "s" : ""}`;
    const note = answer.basis === "popularity" ? " Nothing is known of their taste: this is what most customers have." : "";
    say(`${answer.items.length} items for ${whom}, in ${Math.round(performance.now() - start)} ms.${note}`);
  } catch (error) {
    if (mine !== question) return;
    at("list").replaceChildren();
    at("more").hidden = true;
    say(error.message);
  }
}

function show(answer) {
  const reach = (sign) => Math.max(0, ...answer.items.map((item) => item.shares.reduce((sum, [, share]) => sum + Math.max(0, sign * share), 0)));
  const [left, right] = [reach(-1), reach(1)];
  const blocks = [...state.weights.keys()];
  at("list").replaceChildren(...answer.items.map((item) => {
    const shares = item.shares.map(([block, share]) => `${block} ${share.toFixed(3)}`).join(", ");
    const text = `${item.score.toFixed(3)}${shares ? ` = ${shares}` : ""}`;
    const body = make("div", {}, make("span", { className: "title", textContent: name(item) }), make("span", { className: "score", textContent: text }));
    if (item.shares.length > 0 && left + right > 0) body.append(bar(item.shares, left, right, blocks));
    const like = make("button", { type: "button", textContent: "Similar" });
    like.setAttribute("aria-label", `Items like ${name(item)}`);
    like.addEventListener("click", () => similar(item));
    const row = make("li", {}, picture(item), body, like);
    row.dataset.item = item.item;
    row.dataset.score = item.score;
    row.dataset.shares = JSON.stringify(item.shares);
    return row;
  }));
  at("more").hidden = answer.items.length < state.k;
}

/** Positive shares to the right of zero, negative ones to the left; both add up to the score. */
function bar(shares, left, right, blocks) {
  const percent = (x) => `${(100 * x) / (left + right)}%`;
  const element = make("span", { className: "bar" });
  element.setAttribute("aria-hidden", "true"); // the line above says the same in numbers
  const ends = { 1: left, "-1": left };
  for (const [block, share] of shares) {
    const sign = share < 0 ? -1 : 1;
    const piece = make("i", { className: `b${blocks.indexOf(block) % 6}`, title: `${block} ${share.toFixed(4)}` });
    const from = sign > 0 ? ends[1] : ends[-1] - Math.abs(share);
    ends[sign] += share;
    piece.style.left = percent(from);
    piece.style.width = percent(Math.abs(share));
    element.append(piece);
  }
  const zero = make("b");
  zero.style.left = percent(left);
  element.append(zero);
  return element;
}

async function similar(item) {
  try {
    const answer = await ask(`similar?item=${encodeURIComponent(item.item)}&k=12`);
    at("similar-title").textContent = `Items like ${name(item)}`;
    at("similar-list").replaceChildren(...answer.items.map((other) => tile(other, () => {
      at("similar").close();
      like(other);
    })));
    if (!at("similar").open) at("similar").showModal();
  } catch (error) {
    say(error.message);
  }
}

/** Adds an item to what somebody new likes, or takes it out. */
function like(item) {
  state.user = null;
  at("user").value = "";
  if (!state.liked.delete(item.item)) state.liked.set(item.item, item);
  state.k = PAGE;
  basket();
  refresh();
}

function basket() {
  at("basket").replaceChildren(...[...state.liked.values()].map((item) => {
    const chip = make("button", { type: "button", textContent: `${name(item)} ✕` });
    chip.setAttribute("aria-label", `Take out ${name(item)}`);
    chip.addEventListener("click", () => like(item));
    return make("li", {}, chip);
  }));
  at("basket-empty").hidden = state.liked.size > 0;
  at("clear").hidden = state.liked.size === 0;
  for (const button of at("found").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(state.liked.has(button.dataset.item)));
  }
}

let search = 0;

async function find(more) {
  const mine = ++search;
  if (!more) state.found = 0;
  try {
    const words = encodeURIComponent(at("search").value);
    const items = await ask(`items?matching=${words}&n=${PAGE}&from=${state.found}`);
    if (mine !== search) return;
    const tiles = items.map((item) => tile(item, like, state.liked.has(item.item)));
    if (more) at("found").append(...tiles);
    else at("found").replaceChildren(...tiles);
    state.found += items.length;
    at("more-found").hidden = items.length < PAGE;
  } catch (error) {
    say(error.message);
  }
}

/** A slider for each block; a move ranks the whole catalogue again. */
function sliders(blocks) {
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      refresh();
    });
  };
  at("weights").replaceChildren(...blocks.map((block, index) => {
    state.weights.set(block, 1);
    const id = `weight-${index}`;
    const key = make("span", { className: `key b${index % 6}` });
    const output = make("output", { textContent: "1.0" });
    output.htmlFor = id;
    const range = make("input", { id, type: "range", min: 0, max: 2, step: 0.1, value: 1 });
    range.dataset.block = block;
    range.addEventListener("input", () => {
      state.weights.set(block, Number(range.value));
      output.textContent = Number(range.value).toFixed(1);
      soon();
    });
    return make("div", { className: "weight" }, make("label", { htmlFor: id }, key, block), range, output);
  }));
  at("reset").addEventListener("click", () => {
    for (const range of at("weights").querySelectorAll("input")) {
      range.value = 1;
      range.dispatchEvent(new Event("input"));
    }
  });
}

async function start() {
  const model = await ask("health");
  at("model").textContent = `${model.model} on ${model.data}: ${model.users} customers, ${model.items} items`;
  if (model.blocks.length > 1) sliders(model.blocks);
  else {
    at("sliders").hidden = true;
    for (const block of model.blocks) state.weights.set(block, 1);
  }
  at("pick").addEventListener("submit", (event) => {
    event.preventDefault();
    state.liked.clear();
    state.user = at("user").value.trim();
    if (state.user === "") state.user = null;
    state.k = PAGE;
    basket();
    refresh();
  });
  at("user").addEventListener("input", async () => {
    const users = await ask(`users?matching=${encodeURIComponent(at("user").value.trim())}&n=12`);
    at("users").replaceChildren(...users.map((user) => make("option", { value: user })));
  });
  at("search").addEventListener("input", () => find(false));
  at("more-found").addEventListener("click", () => find(true));
  at("more").addEventListener("click", () => {
    state.k += PAGE;
    refresh();
  });
  at("clear").addEventListener("click", () => {
    state.liked.clear();
    basket();
    refresh();
  });
  at("user").dispatchEvent(new Event("input"));
  await find(false);
  document.body.dataset.ready = "true";
}

start().catch((error) => say(error.message));
