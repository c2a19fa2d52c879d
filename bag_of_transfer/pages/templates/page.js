"use strict";
// Without this script the page shows everything in the plan's order.  With it, a reader can sort
// tables, choose the rung of the pictures, and copy commands.
(() => {
  const announcement = document.getElementById("announcement");
  const announce = (text) => { announcement.textContent = text; };

  // ---- tables ----
  const keyOf = (row, column) => row.cells[column].dataset.sort;
  const compare = (a, b) => {
    const numbers = [Number(a), Number(b)];
    return numbers.some(Number.isNaN) ? a.localeCompare(b) : numbers[0] - numbers[1];
  };
  const sortBy = (table, column, direction) => {
    const body = table.tBodies[0];
    const sign = direction === "ascending" ? 1 : -1;
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [keyOf(a, column), keyOf(b, column)];
      // Rows without a value stay at the bottom in both directions.
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * compare(x, y);
    });
    body.append(...rows);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        // The first click shows the best value first; for rungs, the order of the plan.
        const first = head.dataset.order ? "ascending" : "descending";
        const other = first === "ascending" ? "descending" : "ascending";
        const direction = head.getAttribute("aria-sort") === first ? other : first;
        heads.forEach((each) => each.setAttribute("aria-sort", "none"));
        head.setAttribute("aria-sort", direction);
        sortBy(table, column, direction);
        announce(`sorted by ${head.innerText.trim()}, ${direction}`);
      });
    });
  }

  // ---- pictures ----
  for (const gallery of document.querySelectorAll(".gallery")) {
    const show = () => {
      const chosen = gallery.querySelector("input:checked").value;
      for (const figure of gallery.querySelectorAll(".rung")) {
        figure.hidden = figure.dataset.rung !== chosen;
      }
    };
    gallery.addEventListener("change", show);
    show();
  }

  // ---- commands ----
  const copyText = async (element) => {
    try {
      await navigator.clipboard.writeText(element.textContent);
      return true;
    } catch {  // some browsers give pages from disk no clipboard
      getSelection().selectAllChildren(element);
      return document.execCommand("copy");
    }
  };
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const done = await copyText(button.parentElement.querySelector("code"));
      announce(done ? "copied" : "selected, copy it with the keyboard");
      const text = button.firstChild.textContent;
      button.firstChild.textContent = done ? "Copied" : "Selected";
      setTimeout(() => { button.firstChild.textContent = text; }, 1500);
    });
  }

  // ---- print ----
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((each) => { each.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach((each) => { each.open = false; }));
})();
