"use strict";
// Tables are sorted by a click on a head (or Enter), ascending and then descending; long ones have a field that keeps
// the lines with every word in it. Without this script everything stands there as it is.

const LONG = 8; // lines

/** What a cell is sorted by: its first number where it begins with one, else its text; nothing comes last. */
function key(cell) {
  const text = cell.textContent.trim();
  const number = parseFloat(text.replace(/(\d),(?=\d{3})/g, "$1"));
  if (text === "" || text === "–") return [2, 0, ""];
  return /^[-+.\d]/.test(text) && !Number.isNaN(number) ? [0, number, text] : [1, 0, text];
}

function compare(one, other) {
  return one[0] - other[0] || one[1] - other[1] || one[2].localeCompare(other[2], "en", { numeric: true });
}

function sort(table, column, button) {
  const head = button.parentElement;
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const lines = [...table.tBodies[0].rows].map((line) => [key(line.cells[column]), line]);
  lines.sort(([a], [b]) => (a[0] === 2 || b[0] === 2 || !down ? compare(a, b) : compare(b, a)));
  table.tBodies[0].append(...lines.map(([, line]) => line));
}

function filter(table, words, count) {
  let kept = 0;
  for (const line of table.tBodies[0].rows) {
    const text = line.textContent.toLowerCase();
    line.hidden = !words.every((word) => text.includes(word));
    kept += line.hidden ? 0 : 1;
  }
  count.textContent = words.length ? `${kept} of ${table.tBodies[0].rows.length} lines` : "";
}

for (const table of document.querySelectorAll("table")) {
  table.querySelectorAll("th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => sort(table, column, button));
  });
  if (table.tBodies[0] && table.tBodies[0].rows.length >= LONG) {
    const label = document.createElement("label");
    const field = document.createElement("input");
    const count = document.createElement("output");
    field.type = "search";
    label.append("Lines with ", field, " ", count);
    table.parentElement.before(label);
    field.addEventListener("input", () => filter(table, field.value.toLowerCase().split(/\s+/).filter(Boolean), count));
  }
}
