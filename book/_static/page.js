/* For readers who follow a link into something folded, print, use the keyboard, or read from a disk. */
(function () {
  "use strict";

  const FOLDED = "details:not([open])";
  const SCROLLERS =
    ".bd-article :is(pre, table, .simplicity-figure, .judgement, .ledger-wide, .output, .highlight," +
    " div.math, .pst-scrollable-table-container)";

  // A link to a place that is folded away opens it and goes there.
  function unfold(element) {
    const folded = [];
    if (element.matches("details, .check")) folded.push(...element.querySelectorAll(FOLDED));
    const former = element.nextElementSibling; // a claim's old address stands before its row
    if (former && element.matches("[id^=claim-]:empty") && former.matches(FOLDED)) folded.push(former);
    for (let part = element; part; part = part.parentElement) {
      if (part.matches(FOLDED)) folded.push(part);
      if (part.matches(".toggle-hidden")) part.querySelector("button.toggle-button").click();
      const tab = part.matches(".sd-tab-content") && part.previousElementSibling.previousElementSibling;
      if (tab) tab.checked = true;
    }
    folded.forEach((details) => (details.open = true));
    return folded.length > 0;
  }

  function target(hash) {
    const name = hash.slice(1);
    let read = name;
    try {
      read = decodeURIComponent(name);
    } catch (error) {} // a percent sign that encodes nothing is part of the name
    return name ? document.getElementById(read) || document.getElementById(name) : null;
  }

  function goTo(hash) {
    const element = target(hash);
    if (element && unfold(element)) element.scrollIntoView({ behavior: "instant" });
  }

  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[href]");
    if (!link || link.origin !== location.origin || link.pathname !== location.pathname) return;
    // No hashchange tells of the link that was followed last.
    if (link.hash && link.hash === location.hash) setTimeout(() => goTo(link.hash));
  });
  window.addEventListener("hashchange", () => goTo(location.hash));

  // Paper shows everything, in the light colours.
  let opened = [];
  let theme = "";
  let shrunk = [];
  const PAPER = 600; // pixels for text on a sheet, at the least; a formula cannot wrap, so it shrinks
  window.addEventListener("beforeprint", function () {
    // Those of the toggle buttons are opened and closed by their own script.
    opened = Array.from(document.querySelectorAll(FOLDED + ":not(.toggle-details)"));
    opened.forEach((details) => (details.open = true));
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    document.querySelectorAll(".katex-display").forEach(function (formula) {
      const drawn = document.createRange();
      drawn.selectNodeContents(formula.querySelector(".katex-html"));
      const width = drawn.getBoundingClientRect().width;
      if (width <= PAPER) return;
      shrunk.push([formula, formula.style.fontSize]);
      formula.style.fontSize = (parseFloat(getComputedStyle(formula).fontSize) * PAPER) / width + "px";
    });
  });
  window.addEventListener("afterprint", function () {
    opened.forEach((details) => (details.open = false));
    opened = [];
    document.documentElement.dataset.theme = theme;
    shrunk.forEach(([formula, size]) => (formula.style.fontSize = size));
    shrunk = [];
  });

  // What scrolls within the page is a stop of the keyboard and has a name; what does not scroll is none.
  const names = new Map();

  function kind(element) {
    if (element.matches(".simplicity-figure")) return "Figure";
    if (element.querySelector("table") || element.matches("table")) return "Table";
    if (element.matches("div.math")) return "Formula";
    return element.closest(".cell_output") ? "Output" : "Code";
  }

  function nameOf(element) {
    if (!names.has(element)) {
      const what = kind(element);
      const before = Array.from(names.values()).filter((name) => name.startsWith(what + " "));
      const number = before.length + 1;
      const caption = element.querySelector("caption, figcaption");
      const said = element.getAttribute("aria-label") || (caption ? caption.textContent.trim() : "");
      names.set(element, what + " " + number + " that scrolls" + (said ? ": " + said : ""));
    }
    return names.get(element);
  }

  function scrolls(element) {
    const style = getComputedStyle(element);
    const wide = element.scrollWidth > element.clientWidth + 1;
    const high = element.scrollHeight > element.clientHeight + 1;
    return (wide && /auto|scroll/.test(style.overflowX)) || (high && /auto|scroll/.test(style.overflowY));
  }

  function mark(element) {
    const drawing = element.matches(".simplicity-figure") && element.querySelector("svg");
    if (drawing && element.getAttribute("role") === "img") {
      drawing.setAttribute("role", "img");
      drawing.setAttribute("aria-label", element.getAttribute("aria-label"));
    }
    const own = ["role", "aria-label"].map((name) => element.getAttribute(name));
    element.dataset.before = element.dataset.before || JSON.stringify(own);
    element.setAttribute("aria-label", nameOf(element));
    element.setAttribute("role", "region");
    element.tabIndex = 0;
  }

  function unmark(element) {
    if (!element.dataset.before) return;
    const before = JSON.parse(element.dataset.before);
    ["role", "aria-label"].forEach(function (name, position) {
      if (before[position] === null) element.removeAttribute(name);
      else element.setAttribute(name, before[position]);
    });
    delete element.dataset.before;
    element.removeAttribute("tabindex");
  }

  function look() {
    document.querySelectorAll(SCROLLERS).forEach(function (element) {
      if (scrolls(element)) mark(element);
      else unmark(element);
    });
  }

  // The ledger's filters. What is chosen stands in the address, so that it can be sent to somebody.
  function filterLedger() {
    const form = document.querySelector(".ledger-filters");
    if (!form) return;
    const fields = Array.from(form.querySelectorAll("[data-filter]"));
    const rows = Array.from(document.querySelectorAll("details.claim"));
    const chosen = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    fields.forEach((field) => (field.value = chosen.get(field.dataset.filter) || ""));
    function apply() {
      const wanted = fields.filter((field) => field.value);
      let shown = 0;
      rows.forEach(function (row) {
        row.hidden = !wanted.every(function (field) {
          if (field.dataset.filter !== "words") return row.dataset[field.dataset.filter] === field.value;
          return row.textContent.toLowerCase().includes(field.value.toLowerCase());
        });
        shown += !row.hidden;
      });
      document.querySelectorAll(".ledger").forEach(function (table) {
        table.closest("section").hidden = !table.querySelector("details.claim:not([hidden])");
      });
      form.querySelector("output").textContent = shown + " of " + rows.length + " rows";
      return wanted;
    }
    form.addEventListener("input", function () {
      const state = new URLSearchParams(apply().map((field) => [field.dataset.filter, field.value]));
      history.replaceState(null, "", "#" + state);
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.hidden = false;
    apply();
  }

  let waiting = null;
  function lookSoon() {
    clearTimeout(waiting);
    waiting = setTimeout(look, 150);
  }
  window.addEventListener("resize", lookSoon);
  document.addEventListener("toggle", lookSoon, true); // of details, whose content has no size before

  // A page on a disk may not save a file by its link, but may load a script: one beside the file has its text.
  window.simplicityFile = function (name, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/octet-stream" }));
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[download]");
    if (!link || link.protocol !== "file:") return;
    event.preventDefault();
    const script = document.createElement("script");
    script.src = link.href + ".js";
    script.onload = () => script.remove();
    script.onerror = () => (location.href = link.href);
    document.head.append(script);
  });

  function start() {
    filterLedger();
    goTo(location.hash);
    look();
    document.fonts.ready.then(look);
  }

  if (document.readyState === "complete") start();
  else window.addEventListener("load", start);
})();
