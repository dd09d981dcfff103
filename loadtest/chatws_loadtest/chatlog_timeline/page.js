"use strict";
// Page of a recording: overview of the rooms, and a column for each person of the chosen one.
const log = JSON.parse(document.getElementById("content").textContent);
const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const MARGIN = 64, HEIGHT = 620, TOP = 6;
const MAX_COLUMNS = 40; // with more people, the columns are those who wrote or received in the window, and the chosen user
const SPANS = [200, 500, 1000, 2000, 5000, 10000, 20000, 60000, 300000];
const duration = Math.max(1, log.ends - log.begins);
const state = { room: 0, user: "", at: log.begins, span: SPANS.find((span) => span >= duration) || 10000, picked: null };
if (duration > 10000) state.span = 5000;

function make(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

const seconds = (ms) => (ms / 1000).toFixed(3) + " s";

function shownRooms() {
  const word = byId("filter").value.trim();
  return log.rooms.map((room, index) => index)
    .filter((index) => !word || log.rooms[index].name === word || log.rooms[index].people.includes(word));
}

function drawRooms() {
  const body = byId("rooms").querySelector("tbody");
  const rows = shownRooms().slice(0, 500).map((index) => {
    const summary = log.rooms[index].summary;
    const row = document.createElement("tr");
    const cells = [log.rooms[index].name || "(none)", log.rooms[index].people.length, log.rooms[index].messages.length,
      summary.p50_ms ?? "-", summary.p99_ms ?? "-", summary.cuts, summary.caught_up, summary.late, summary.faults];
    cells.forEach((value, column) => {
      const cell = document.createElement("td");
      cell.textContent = value === 0 && column > 4 ? "" : value;
      if (column === 8 && value) cell.className = "fail";
      row.append(cell);
    });
    row.setAttribute("aria-selected", index === state.room);
    row.tabIndex = 0;
    row.onclick = () => chooseRoom(index);
    row.onkeydown = (event) => { if (event.key === "Enter") chooseRoom(index); };
    return row;
  });
  body.replaceChildren(...rows);
}

function chooseRoom(index) {
  state.room = index;
  state.picked = null;
  const word = byId("filter").value.trim();
  state.user = log.rooms[index].people.includes(word) ? word : "";
  drawRooms();
  draw();
}

function columns(room, from, until) {
  if (room.people.length <= MAX_COLUMNS) return room.people;
  const active = new Set(state.user ? [state.user] : []);
  for (const message of room.messages) {
    if (message.ends < from || message.begins > until) continue;
    if (message.sender) active.add(message.sender);
    for (const person of message.missing || []) active.add(person);
  }
  for (const person of room.people) if (active.size < MAX_COLUMNS) active.add(person);
  return room.people.filter((person) => active.has(person)).slice(0, MAX_COLUMNS);
}

function drawLife(chart, x, person, y, room) {
  chart.append(make("line", { x1: x, x2: x, y1: TOP, y2: HEIGHT, class: "life" }));
  for (const [from, until, why] of room.absences[person] || []) {
    const top = Math.max(TOP, y(from)), bottom = Math.min(HEIGHT, y(until));
    if (bottom <= top) continue;
    const gone = make("rect", { x: x - 12, width: 24, y: top, height: Math.max(2, bottom - top), class: "gone" });
    gone.append(make("title", {}, `${person} disconnected, ${seconds(from)} to ${seconds(until)} (${why})`));
    chart.append(gone);
  }
}

function drawMessage(message, xs, y) {
  const group = make("g", { class: `${message.state || ""} ${message.name === state.picked ? "picked" : ""}` });
  const middle = message.stored ?? message.acked;
  const lines = [];
  const line = (x1, t1, x2, t2, kind) => {
    lines.push([x1, y(t1), x2, y(t2)]);
    group.append(make("line", { x1, y1: y(t1), x2, y2: y(t2), class: kind }));
  };
  const from = xs.get(message.sender);
  if (from != null && message.sent.length) {
    for (const at of message.sent) line(from, at, xs.get(null), Math.max(at, middle ?? at), "way");
  }
  if (message.stored != null) {
    for (const [person, at, caught] of message.to) {
      if (xs.has(person)) line(xs.get(null), message.stored, xs.get(person), at, caught ? "copy caught" : "copy");
    }
  }
  const start = message.stored ?? message.begins;
  for (const person of message.missing || []) {
    if (xs.has(person)) group.append(make("text", { x: xs.get(person) - 9, y: y(start) + 7, class: "missing" }, "✕"));
  }
  for (const [x1, y1, x2, y2] of lines) {
    const hit = make("line", { x1, y1, x2, y2, class: "hit" });
    hit.onclick = () => { state.picked = message.name; draw(); };
    hit.append(make("title", {}, describe(message).join("\n")));
    group.append(hit);
  }
  return group;
}

function describe(message) {
  if (message.words) return message.words;
  const first = message.sent.length ? message.sent[0] : message.begins;
  const head = `${message.name}: ${message.sender || "an unknown sender"} sent it at ${seconds(first)}`
    + (message.acked != null ? `, acked after ${message.acked - message.sent[message.sent.length - 1]} ms` : "");
  return [head, ...message.to.map(([person, at]) => `${person} received it live at ${seconds(at)}, after ${at - first} ms`)];
}

function draw() {
  const room = log.rooms[state.room];
  const from = state.at, until = from + state.span;
  const y = (ms) => TOP + ((ms - from) / state.span) * (HEIGHT - TOP);
  const chart = byId("lines");
  chart.replaceChildren();
  byId("position").value = state.at;
  byId("zoom").value = state.span;
  byId("time").textContent = `${seconds(from)} to ${seconds(until)}`;
  if (!room) return;
  const people = columns(room, from, until);
  // The server stands where it is visible without scrolling.
  const half = Math.min(3, Math.ceil(people.length / 2));
  const order = [...people.slice(0, half), null, ...people.slice(half)];
  const column = Math.max(96, Math.min(260, (byId("chart").clientWidth - MARGIN - 20) / order.length));
  const xs = new Map(order.map((person, index) => [person, MARGIN + column / 2 + index * column]));
  const width = MARGIN + order.length * column;
  chart.setAttribute("width", width);
  chart.setAttribute("height", HEIGHT);
  const heads = byId("heads");
  heads.setAttribute("width", width);
  heads.replaceChildren(...order.map((person) => make("text", { x: xs.get(person), y: 20, "text-anchor": "middle" },
    person === null ? "server" : `${person}${log.roles[person] ? " " + log.roles[person] : ""}`)));
  for (let tick = 0; tick <= 10; tick += 1) {
    const at = from + (state.span * tick) / 10;
    chart.append(make("text", { x: 2, y: y(at) + 4 }, (at / 1000).toFixed(2)));
  }
  for (const person of people) drawLife(chart, xs.get(person), person, y, room);
  chart.append(make("line", { x1: xs.get(null), x2: xs.get(null), y1: TOP, y2: HEIGHT, class: "server" }));
  for (const note of log.notes) {
    if (note.at < from || note.at > until || (note.person && !xs.has(note.person))) continue;
    const x = note.person ? xs.get(note.person) : xs.get(null);
    if (!note.person) chart.append(make("line", { x1: MARGIN, x2: width, y1: y(note.at), y2: y(note.at), class: "noteline" }));
    chart.append(make("text", { x: x + 6, y: y(note.at) - 3, class: "note" }, `▲ ${note.text}`));
  }
  const shown = room.messages.filter((message) => message.begins <= until && message.ends >= from
    && (!state.user || message.sender === state.user || message.to.some((copy) => copy[0] === state.user)));
  for (const message of shown) chart.append(drawMessage(message, xs, y));
  const picked = room.messages.find((message) => message.name === state.picked);
  const hidden = room.people.length - people.length;
  const words = picked ? describe(picked) : [
    `${room.name}: ${room.people.length} people, ${room.messages.length} messages, ${shown.length} in the window`
      + (hidden ? `; ${hidden} people without columns` : ""),
    "Choose a line to read the way of its message."];
  byId("words").replaceChildren(...words.map((text) => {
    const line = document.createElement("p");
    line.textContent = text;
    return line;
  }));
  drawStrip(room);
}

function drawStrip(room) {
  const strip = byId("strip"), bars = 240;
  const counts = new Array(bars).fill(0);
  const bin = (ms) => Math.min(bars - 1, Math.max(0, Math.floor(((ms - log.begins) / duration) * bars)));
  for (const message of room.messages) counts[bin(message.begins)] += 1;
  const most = Math.max(1, ...counts);
  const parts = counts.map((number, index) => make("rect", { x: index * 4, width: 3, class: "bars",
    y: 44 - (number / most) * 40, height: (number / most) * 40 }));
  for (const message of room.messages) {
    if (!message.state || message.state === "late") continue;
    const x = bin(message.begins) * 4 + 1.5;
    parts.push(make("line", { x1: x, x2: x, y1: 0, y2: 6, class: "bad" }));
  }
  const scale = (bars * 4) / duration;
  parts.push(make("rect", { x: (state.at - log.begins) * scale, width: Math.max(3, state.span * scale), y: 1, height: 44,
    class: "window" }));
  strip.replaceChildren(...parts);
}

function move(ms) {
  state.at = Math.round(Math.min(Math.max(log.begins, log.ends - state.span), Math.max(log.begins, ms)));
  draw();
}

function zoom(step) {
  const index = Math.max(0, Math.min(SPANS.length - 1, SPANS.indexOf(state.span) + step));
  const middle = state.at + state.span / 2;
  state.span = SPANS[index];
  move(middle - state.span / 2);
}

function findTrouble(direction) {
  const found = log.rooms[state.room].messages.filter((message) => message.state && message.state !== "late");
  const current = found.findIndex((message) => message.name === state.picked);
  const next = found[current < 0 ? 0 : (current + direction + found.length) % found.length];
  if (!next) return;
  state.picked = next.name;
  move(next.begins - state.span / 5);
}

const KEYS = {
  ArrowRight: () => move(state.at + state.span / 10), ArrowLeft: () => move(state.at - state.span / 10),
  ArrowDown: () => move(state.at + state.span / 10), ArrowUp: () => move(state.at - state.span / 10),
  PageDown: () => move(state.at + state.span), PageUp: () => move(state.at - state.span),
  Home: () => move(log.begins), End: () => move(log.ends), "+": () => zoom(-1), "-": () => zoom(1),
  n: () => findTrouble(1), p: () => findTrouble(-1),
};
document.addEventListener("keydown", (event) => {
  if (event.target.type === "search" || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
const slider = byId("position");
slider.min = log.begins;
slider.max = Math.max(log.begins + 1, log.ends);
slider.step = 1;
slider.oninput = () => move(Number(slider.value));
byId("zoom").replaceChildren(...SPANS.map((span) => {
  const option = document.createElement("option");
  option.value = span;
  option.textContent = span < 1000 ? `${span} ms` : `${span / 1000} s`;
  return option;
}));
byId("zoom").onchange = () => { state.span = Number(byId("zoom").value); move(state.at); };
byId("filter").oninput = () => {
  const rooms = shownRooms();
  if (rooms.length && !rooms.includes(state.room)) chooseRoom(rooms[0]);
  else chooseRoom(state.room);
};
byId("next").onclick = () => findTrouble(1);
if (log.rooms.length) {
  chooseRoom(shownRooms()[0]);
  findTrouble(1);
  if (!state.picked) move(log.rooms[state.room].messages.length ? log.rooms[state.room].messages[0].begins : log.begins);
}
