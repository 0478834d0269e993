// The theme, sorting and filtering of tables, and the tree of codes. Pages read without it, too.
"use strict";

const root = document.documentElement;
root.classList.add("js");

const memory = {  // a browser may refuse storage to pages opened from a folder
  get(key) { try { return localStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { localStorage.setItem(key, value); } catch { /* forgotten, then */ } },
};

const remembered = memory.get("tokbench-theme");
if (remembered === "dark" || remembered === "light") root.dataset.theme = remembered;

function isDark() {
  return root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
}

function setUpTheme(button) {
  const show = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `${button.textContent} theme`);
  };
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    memory.set("tokbench-theme", root.dataset.theme);
    show();
  });
  show();
}

// Sorting: a button in every head cell; numbers by value, the rest as words, equal rows stay put.

function keyOf(cell) {
  const text = cell.dataset.sort ?? cell.textContent.trim();
  const number = Number(text.replace(/[,%\s]/g, ""));
  return text !== "" && Number.isFinite(number) ? number : text.toLowerCase();
}

function compareKeys(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(table, head, column) {
  const falling = head.getAttribute("aria-sort") === "descending"
    || (!head.hasAttribute("aria-sort") && head.classList.contains("text"));
  const sign = falling ? 1 : -1;  // a first press sorts words from A, numbers from the highest
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [keyOf(row.cells[column]), row]);
  rows.sort((a, b) => {
    if ((a[0] === "") !== (b[0] === "")) return a[0] === "" ? 1 : -1;  // empty cells last
    return sign * compareKeys(a[0], b[0]);
  });
  body.append(...rows.map(([, row]) => row));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", falling ? "ascending" : "descending");
}

function setUpSorting(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    if (head.classList.contains("plain")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sortBy(table, head, column));
  });
}

// Filtering: every word must occur in the row.

function setUpFilters(form) {
  const rows = [...document.getElementById(form.dataset.table).tBodies[0].rows];
  const apply = () => {
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(words.every((word) => text.includes(word))
        && (!form.elements.family.value || row.dataset.family === form.elements.family.value)
        && (!form.elements.policy.value || row.dataset.policy === form.elements.policy.value)
        && (form.elements.baselines.checked || !row.classList.contains("baseline")));
      shown += row.hidden ? 0 : 1;
    }
    form.querySelector("output").textContent =
      shown === rows.length ? `${shown} rows` : `${shown} of ${rows.length} rows`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
}

// The tree. Items come in the order of their tuples, so a prefix is a range [start, end) of rows.

const STOP = new Set("and the for with from that this are not pack set per inch".split(" "));
const MOST = 200;  // children or items shown at once

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

class CodeTree {
  constructor({ levels, codes, items, titles }) {
    Object.assign(this, { levels, codes, items, titles });
    this.words = titles && titles.map((title) => new Set(
      (title.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) ?? []).filter((word) => !STOP.has(word))));
    this.counted = new Map();
  }

  code(row, level) { return this.codes[row * this.levels + level]; }

  name(row) { return this.titles ? this.titles[row] : `item ${this.items[row]}`; }

  children({ start, end, level }) {
    const found = [];
    for (let row = start; row < end;) {
      const first = row;
      while (row < end && this.code(row, level) === this.code(first, level)) row += 1;
      found.push({ start: first, end: row, level: level + 1 });
    }
    return found;
  }

  // How many titles of the range hold each word.
  count({ start, end }) {
    const key = `${start}-${end}`;
    if (!this.counted.has(key)) {
      const counts = new Map();
      for (let row = start; row < end; row += 1) {
        for (const word of this.words[row]) counts.set(word, (counts.get(word) ?? 0) + 1);
      }
      this.counted.set(key, counts);
    }
    return this.counted.get(key);
  }

  // Words by n log(share here / share in the parent): common here, and more so than above.
  telling(node, parent) {
    if (!this.words || node.end - node.start < 2) return [];
    const above = this.count(parent);
    const scale = (parent.end - parent.start) / (node.end - node.start);
    return [...this.count(node)]
      .filter(([, n]) => n > 1)
      .map(([word, n]) => [word, n, n * Math.log((n * scale) / above.get(word))])
      .filter(([, , score]) => score > 0.5)
      .sort((a, b) => b[2] - a[2])
      .slice(0, 5);
  }

  prefix({ start, level }) {
    return Array.from({ length: level }, (_, l) => this.code(start, l));
  }

  label(node) {
    const codes = this.prefix(node);
    const last = element("b", "", String(codes.pop()));
    return element("span", "code", element("span", "", codes.map((c) => `${c} · `).join("")), last);
  }

  describe(node, parent) {
    const size = node.end - node.start;
    const about = element("span", "words");
    const words = this.telling(node, parent);
    if (size === 1 || !words.length) {
      about.append(this.name(node.start) + (size > 1 ? " …" : ""));
    } else {
      words.forEach(([word, n], i) => about.append(i ? ", " : "", element("b", "", word),
        element("span", "", ` ${n}`)));
    }
    const count = element("span", "size", `${size.toLocaleString("en")} item${size > 1 ? "s" : ""}`);
    count.style.setProperty("--share", size / parent.largest);
    return [this.label(node), count, about];
  }

  leaf(row) {
    const made = element("div", "leaf", this.label({ start: row, level: this.levels }),
      element("span", "size", ""), element("span", "words", this.name(row)));
    made.dataset.row = row;
    return made;
  }

  branch(node, parent) {
    if (node.end - node.start === 1) return this.leaf(node.start);
    const made = element("details", "", element("summary", "", ...this.describe(node, parent)));
    made.unfold = () => {
      if (made.childElementCount === 1) made.append(this.inside(node));
    };
    made.node = node;
    made.addEventListener("toggle", () => made.open && made.unfold());
    return made;
  }

  // What stands below a node: its children, or its items after the last level.
  inside(node) {
    if (node.level === this.levels) {
      const rows = Array.from({ length: node.end - node.start }, (_, i) => this.leaf(node.start + i));
      return this.limited("leaves", rows);
    }
    const children = this.children(node);
    node.largest = children.reduce((most, { start, end }) => Math.max(most, end - start), 1);
    return this.limited("", children.map((child) => this.branch(child, node)));
  }

  limited(className, made) {
    const shown = element("div", className, ...made.slice(0, MOST));
    if (made.length > MOST) {
      const more = element("button", "theme", `${made.length - MOST} more`);
      more.type = "button";
      more.addEventListener("click", () => more.replaceWith(...made.slice(MOST)));
      shown.append(more);
    }
    return shown;
  }

  // Unfold the path to an item and show it.
  reveal(holder, row) {
    holder.querySelector(".hit")?.classList.remove("hit");
    for (const more of holder.querySelectorAll(":scope > div > button")) more.click();
    let place = holder;
    for (;;) {
      const next = [...place.querySelectorAll(":scope > div > details")]
        .find(({ node }) => node.start <= row && row < node.end);
      if (!next) break;
      next.unfold();
      next.open = true;
      for (const more of next.querySelectorAll(":scope > div > button")) more.click();
      place = next;
    }
    const leaf = place.querySelector(`[data-row="${row}"]`);
    leaf?.classList.add("hit");
    leaf?.scrollIntoView({ block: "center" });
  }
}

function setUpTree(holder) {
  const tree = new CodeTree(JSON.parse(document.getElementById("codes").textContent));
  const all = { start: 0, end: tree.items.length, level: 0 };
  holder.append(tree.inside(all));
  const form = document.getElementById("find");
  const found = document.getElementById("found");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    const text = form.elements.text.value.trim().toLowerCase();
    const rows = text ? [...tree.items.keys()].filter(
      (row) => tree.name(row).toLowerCase().includes(text)) : [];
    form.querySelector("output").textContent = text ? `${rows.length} found` : "";
    found.replaceChildren(...rows.slice(0, 12).map((row) => {
      const button = element("button", "", element("code", "",
        tree.prefix({ start: row, level: tree.levels }).join(" · ")), tree.name(row));
      button.type = "button";
      button.addEventListener("click", () => tree.reveal(holder, row));
      return element("li", "", button);
    }));
  });
}

document.addEventListener("DOMContentLoaded", () => {
  setUpTheme(document.getElementById("theme"));
  document.querySelectorAll("table.rows").forEach(setUpSorting);
  document.querySelectorAll("form.filters[data-table]").forEach(setUpFilters);
  const holder = document.getElementById("tree");
  if (holder) setUpTree(holder);
});
