"use strict";
/* What a report can do beyond being read: say the numbers behind a point, light what belongs together, sort, filter and
   copy tables, copy commands, save pictures. Without this script everything is still there to be read. */

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (tag, properties = {}, parent = null) => {
  const element = Object.assign(document.createElement(tag), properties);
  if (parent) parent.append(element);
  return element;
};

/* ------------------------------------------------ the numbers behind a point */

const tip = make("div", { id: "tip", hidden: true }, document.body);
tip.setAttribute("aria-hidden", "true"); // a screen reader has the same words from the point itself
const NEAR = 26; // pixels

function middle(point) {
  const box = point.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
}

function show(point, x, y) {
  hide();
  tip.textContent = point.dataset.said;
  tip.hidden = false;
  const left = Math.min(x + 14, innerWidth - tip.offsetWidth - 8);
  const top = y + 18 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 14 : y + 18;
  tip.style.left = `${Math.max(8, left) + scrollX}px`;
  tip.style.top = `${top + scrollY}px`;
  point.classList.add("lit");
  light(point.dataset.link);
}

function light(link) {
  for (const word of (link || "").split(" ").filter(Boolean)) {
    for (const other of all(`[data-link~="${CSS.escape(word)}"]`)) other.classList.add("lit");
  }
}

function hide() {
  tip.hidden = true;
  for (const lit of all(".lit")) lit.classList.remove("lit");
}

function nearest(svg, x, y) {
  let best = null;
  let least = NEAR;
  for (const point of all("use.point", svg)) {
    const [a, b] = middle(point);
    const distance = Math.hypot(a - x, b - y);
    if (distance < least) [best, least] = [point, distance];
  }
  return best;
}

/* A page that scrolls under a resting pointer sends pointer events too; what the keyboard has lit then stays lit. */
let place = "";
const where = (event) => `${event.screenX} ${event.screenY}`;
addEventListener("pointermove", (event) => { place = where(event); }); // after the pictures have had the event

function prepare(svg) {
  // the browser would show a title as a second, slower tip
  for (const title of all(".point > title", svg)) title.remove();
  const title = svg.querySelector("title");
  svg.setAttribute("aria-label", title.textContent);
  svg.setAttribute("aria-describedby", svg.querySelector("desc").id);
  svg.removeAttribute("aria-labelledby");
  title.remove();
  const pointed = (event) => {
    const point = event.target.closest(".point") || nearest(svg, event.clientX, event.clientY);
    if (point) show(point, event.clientX, event.clientY);
    else hide();
  };
  const moved = (then) => (event) => {
    if (where(event) !== place) then(event);
  };
  svg.addEventListener("pointermove", moved(pointed));
  svg.addEventListener("click", pointed);
  svg.addEventListener("pointerleave", moved(hide));
  walkable(svg);
}

/* A picture is one stop of the Tab key; arrows, Home and End go from point to point, from left to right. */
function walkable(svg) {
  const points = all(".point", svg);
  if (!points.length) return;
  points[0].tabIndex = 0;
  for (const point of points) {
    point.addEventListener("focus", () => show(point, ...middle(point)));
    point.addEventListener("blur", hide);
  }
  svg.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -points.length, End: points.length };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const at = points.indexOf(document.activeElement) + steps[event.key];
    const next = points[Math.min(Math.max(at, 0), points.length - 1)];
    for (const point of points) point.tabIndex = point === next ? 0 : -1;
    next.focus();
  });
}

addEventListener("keydown", (event) => {
  if (event.key === "Escape") hide();
});

/* ------------------------------------------------ copying */

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { value: text }, document.body);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1200);
}

function button(text, parent, action, name = text) {
  const made = make("button", { type: "button", textContent: text }, parent);
  if (name !== text) made.setAttribute("aria-label", name);
  made.addEventListener("click", () => action(made));
  return made;
}

/* ------------------------------------------------ tables */

function prepareTable(table) {
  const body = table.tBodies[0];
  const tools = make("p", { className: "tools" });
  table.closest(".scroll").before(tools);
  const label = make("label", { textContent: "Filter " }, tools);
  const filter = make("input", { type: "search", placeholder: "any word or number" }, label);
  const found = make("span", { className: "over" }, tools);
  found.setAttribute("aria-live", "polite");
  button("Copy as CSV", tools, (pressed) => copy(csv(table), pressed));
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    const shown = [...body.rows].filter((row) => !row.hidden).length;
    found.textContent = wanted ? `${shown} of ${body.rows.length} rows` : "";
  });
  all("thead th", table).forEach((head, column) => {
    const text = head.textContent;
    head.textContent = "";
    button(text, head, () => sort(table, head, column));
  });
  for (const row of body.rows) {
    row.addEventListener("pointerenter", () => light(row.dataset.link));
    row.addEventListener("pointerleave", hide);
  }
}

function key(row, column) {
  const text = row.cells[column].dataset.value;
  return text === "" ? Infinity : Number.isNaN(Number(text)) ? text : Number(text);
}

function sort(table, head, column) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of all("th", table.tHead)) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => {
    const [one, two] = [key(a, column), key(b, column)];
    const order = one === two ? 0 : one < two ? -1 : 1;
    return down ? -order : order;
  });
  table.tBodies[0].append(...rows);
}

function csv(table) {
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [all("thead th", table).map((head) => head.textContent.trim())];
  for (const row of table.tBodies[0].rows) if (!row.hidden) lines.push([...row.cells].map((c) => c.dataset.value));
  return lines.map((line) => line.map(quoted).join(",")).join("\n") + "\n";
}

/* ------------------------------------------------ pictures to take along */

/* The picture as a file of its own: in the colours of white paper, whatever the page has now. */
function standalone(svg) {
  const copied = svg.cloneNode(true);
  const [, , width, height] = svg.getAttribute("viewBox").split(" ");
  copied.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copied.setAttribute("width", width);
  copied.setAttribute("height", height);
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  title.textContent = svg.getAttribute("aria-label");
  copied.prepend(title);
  const text = new XMLSerializer().serializeToString(copied);
  return text.replace(/(fill|stroke): ?light-dark\((#\w+|rgb\([^)]*\)), ?(#\w+|rgb\([^)]*\))\)/g, "$1:$2");
}

function save(url, name) {
  make("a", { href: url, download: name }).click();
}

function savePng(svg) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const image = new Image();
  image.onload = () => {
    const canvas = make("canvas", { width: 2.5 * width, height: 2.5 * height });
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    save(canvas.toDataURL("image/png"), `${svg.dataset.name}.png`);
  };
  image.src = `data:image/svg+xml,${encodeURIComponent(standalone(svg))}`;
}

/* ------------------------------------------------ begin */

function begin(root = document) {
  for (const picture of all(".picture", root)) {
    const svg = picture.querySelector("svg");
    prepare(svg);
    const tools = picture.parentElement.querySelector(".save");
    const url = () => `data:image/svg+xml,${encodeURIComponent(standalone(svg))}`;
    button("Save as SVG", tools, () => save(url(), `${svg.dataset.name}.svg`), `Save ${svg.dataset.name} as SVG`);
    button("Save as PNG", tools, () => savePng(svg), `Save ${svg.dataset.name} as PNG`);
  }
  for (const table of all("table.sortable", root)) prepareTable(table);
  for (const code of all(".code", root)) {
    button("Copy", code, (pressed) => copy(code.querySelector("code").textContent, pressed), "Copy the command");
  }
}
begin();
