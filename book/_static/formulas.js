/* Sets the formulas of a page with KaTeX, before the page is shown. What KaTeX does not know stays there as TeX, and the
   console says which. The macros are those of the site's configuration. */
(function () {
  "use strict";

  const TEX = /^\s*\\[([]([\s\S]*)\\[)\]]\s*$/;

  function set(text, block) {
    const found = TEX.exec(text.data);
    if (!found) return;
    const place = document.createElement("span");
    text.replaceWith(place);
    // A copy: KaTeX keeps in them what a formula defines.
    const macros = Object.assign({}, window.simplicityMacros);
    try {
      katex.render(found[1].trim(), place, { displayMode: block, macros: macros, strict: "ignore" });
      // A name such as max, alone as an index, gets a sign of application: one child too many for MathML.
      for (const sign of place.querySelectorAll(":is(msub, msup, msubsup) > mo"))
        if (sign.textContent === "\u2061") sign.remove();
    } catch (error) {
      place.className = "katex-error";
      place.textContent = found[1];
      console.error(error.message);
    }
  }

  for (const formula of document.querySelectorAll(".math.notranslate")) {
    // A formula with a number has the number as an element before its text.
    const texts = Array.from(formula.childNodes).filter((one) => one.nodeType === Node.TEXT_NODE);
    for (const text of texts) set(text, formula.tagName === "DIV");
  }
})();
