/* The frame player: swaps what Python has drawn for other frames of the same drawing. One player knows nothing of another.
   Nothing ever moves by itself: frames follow each other only after the reader has pressed Play, and where the system asks
   for reduced motion that button shows the next frame instead. */
(function () {
  "use strict";

  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  function player(root) {
    const data = JSON.parse(root.querySelector("script[type='application/json']").textContent);
    const changing = Array.from(root.querySelectorAll("[data-track]"));
    const button = root.querySelector("button");
    const slider = root.querySelector("input");
    const output = root.querySelector("output");
    const last = data.labels.length - 1;
    let frame = Number(slider.defaultValue); // some browsers put back what a reader had chosen
    let timer = null;
    let waiting = frame > 0; // the frame to begin with is shown, and playing starts at the first one

    function show(wanted) {
      waiting = false;
      frame = Math.min(last, Math.max(0, wanted));
      for (const element of changing) {
        const content = data.values[Number(element.dataset.track)][frame];
        if (element.tagName === "text") element.textContent = content;
        else element.setAttribute("d", content);
      }
      slider.value = String(frame);
      slider.setAttribute("aria-valuetext", data.labels[frame]);
      output.textContent = data.labels[frame];
    }

    function label() {
      button.textContent = calm.matches ? "Next" : timer === null ? "Play" : "Pause";
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      label();
    }

    function play() {
      if (timer !== null) return stop();
      show(waiting ? 0 : frame === last ? 0 : frame + 1);
      if (calm.matches) return;
      timer = setInterval(function () {
        show(frame + 1);
        if (frame === last) stop();
      }, Number(root.dataset.milliseconds));
      label();
    }

    function go(wanted) {
      stop();
      show(wanted);
    }

    const keys = {
      ArrowLeft: () => go(frame - 1),
      ArrowDown: () => go(frame - 1),
      ArrowRight: () => go(frame + 1),
      ArrowUp: () => go(frame + 1),
      Home: () => go(0),
      End: () => go(last),
      " ": play,
    };

    root.addEventListener("keydown", function (event) {
      const act = keys[event.key];
      if (!act || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault(); // the page does not scroll, the slider does not move twice
      event.stopPropagation(); // nor does the theme turn the page
      act();
    });
    root.addEventListener("keyup", function (event) {
      if (event.key === " ") event.preventDefault(); // a browser presses the button once more when the key is released
    });
    slider.addEventListener("input", () => go(Number(slider.value)));
    button.addEventListener("click", play);
    calm.addEventListener("change", stop);

    // On paper four stills in place of the moving picture: the first frame, the last, and two between.
    const stills = document.createElement("div");
    stills.className = "stills";
    function still(wanted) {
      show(wanted);
      const one = document.createElement("div");
      const words = document.createElement("p");
      words.textContent = data.labels[wanted];
      one.append(root.querySelector(".panels").cloneNode(true), words);
      one.querySelectorAll("[data-track]").forEach((element) => element.removeAttribute("data-track"));
      return one;
    }
    window.addEventListener("beforeprint", function () {
      stop();
      if (last < 3 || stills.isConnected) return;
      const [shown, begun] = [frame, waiting];
      stills.replaceChildren(...[0, 1, 2, 3].map((part) => still(Math.round((part * last) / 3))));
      show(shown);
      waiting = begun;
      root.querySelector(".panels").before(stills);
      root.classList.add("printed");
    });
    window.addEventListener("afterprint", function () {
      stills.remove();
      root.classList.remove("printed");
    });

    // A finger or the mouse drags through the frames on the drawing itself; up and down still scrolls the page.
    const drawings = root.querySelector(".panels");
    function drag(event) {
      const box = event.target.closest("svg");
      if (!box) return;
      const place = box.getBoundingClientRect();
      go(Math.round((last * (event.clientX - place.left)) / place.width));
    }
    drawings.addEventListener("pointerdown", drag);
    drawings.addEventListener("pointermove", (event) => event.buttons === 1 && drag(event));

    root.querySelector(".controls").hidden = false;
    label();
    slider.value = slider.defaultValue;
    slider.setAttribute("aria-valuetext", data.labels[frame]);
  }

  function start() {
    document.querySelectorAll(".simplicity-player").forEach(player);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
