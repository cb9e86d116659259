
"use strict";
// A click on a column's name sorts the table by it; numbers that are none stay last.
const order = new Intl.Collator("en", { numeric: true });

function compare(one, other, sign) {
  const [a, b] = [one.dataset.value, other.dataset.value];
  if (a === undefined || b === undefined) return sign * order.compare(one.textContent, other.textContent);
  if (a === "" || b === "") return (a === "") - (b === "");
  return sign * (Number(a) - Number(b));
}

function sortBy(table, column) {
  const names = table.tHead.rows[0].cells;
  const name = names[column];
  const down = name.getAttribute("aria-sort") === "ascending";
  for (const each of names) each.removeAttribute("aria-sort");
  name.setAttribute("aria-sort", down ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => compare(a.cells[column], b.cells[column], down ? -1 : 1));
  table.tBodies[0].append(...rows);
}

for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[0].rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((name, column) => {
    if (!name.textContent || table.tBodies[0].rows[0].cells[column].querySelector("img")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...name.childNodes);
    name.append(button);
    button.addEventListener("click", () => sortBy(table, column));
  });
}
