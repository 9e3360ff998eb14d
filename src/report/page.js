"use strict";
// What figures say when they are pointed at, at once and not after the browser's delay.
const tip = document.createElement("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
document.addEventListener("pointermove", (event) => {
  const title = event.target instanceof Element && event.target.closest("svg") && event.target.querySelector(":scope > title");
  tip.hidden = !title;
  if (!title) return;
  tip.textContent = title.textContent;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - width - 4))}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 4))}px`;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") tip.hidden = true;
});

// Columns sort by their first number where all have one, else as text.
const number = (text) => {
  const found = text.replace("\u2212", "-").match(/^[+-]?\d+(\.\d+)?(e[+-]?\d+)?/i);
  return found ? Number(found[0]) : NaN;
};
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => {
        const text = row.cells[column].textContent;
        return { row, text, value: number(text), isEmpty: text === "" || text === "\u2013" };
      });
      const isNumeric = rows.every((row) => row.isEmpty || !Number.isNaN(row.value));
      rows.sort((a, b) => a.isEmpty - b.isEmpty || direction * (isNumeric ? a.value - b.value || 0 : a.text.localeCompare(b.text)));
      body.append(...rows.map((entry) => entry.row));
    });
  });
  // Long tables can be searched.
  if (body.rows.length < 12) continue;
  const search = document.createElement("input");
  search.type = "search";
  search.placeholder = "Filter rows";
  search.setAttribute("aria-label", `Filter rows: ${table.caption.textContent}`);
  table.parentElement.before(search);
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of body.rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    }
  });
}
// Paper has no details to open.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")].filter((details) => details.querySelectorAll("tr").length < 60);
  opened.forEach((details) => (details.open = true));
});
addEventListener("afterprint", () => opened.forEach((details) => (details.open = false)));
