/* The explorable: trains a two-layer ReLU network on points in the plane, here in the page, and shows the whole run.
   h(x) = sum_j a_j max(0, <w_j, x>) and L = 1/(2n) sum_k (h(x_k) - y_k)^2, full-batch gradient descent: what
   `simplicity.boursier.two_layer.descend` does in Python. A change of a point or a setting starts the run anew. */
(function () {
  "use strict";

  // --- The computation: pure functions. A network is {a, w}; w and the inputs x are flat, two numbers for each.

  function forward(net, x) {
    const h = new Float64Array(x.length / 2);
    for (let j = 0; j < net.a.length; j++) {
      const a = net.a[j], u = net.w[2 * j], v = net.w[2 * j + 1];
      for (let k = 0; k < h.length; k++) {
        const z = u * x[2 * k] + v * x[2 * k + 1];
        if (z > 0) h[k] += a * z;
      }
    }
    return h;
  }

  const residuals = (net, x, y) => forward(net, x).map((h, k) => y[k] - h);
  const loss = (net, x, y) => residuals(net, x, y).reduce((sum, r) => sum + r * r, 0) / (2 * y.length);

  // D(w) = 1/n sum_k 1{<w, x_k> > 0} r_k x_k; with the labels for r it is the early force D_n(w).
  function force(u, v, x, r) {
    let p = 0, q = 0;
    for (let k = 0; k < r.length; k++) {
      if (u * x[2 * k] + v * x[2 * k + 1] > 0) {
        p += r[k] * x[2 * k];
        q += r[k] * x[2 * k + 1];
      }
    }
    return [p / r.length, q / r.length];
  }

  function step(net, x, y, eta) {
    const r = residuals(net, x, y), a = net.a.slice(), w = net.w.slice();
    for (let j = 0; j < a.length; j++) {
      const u = net.w[2 * j], v = net.w[2 * j + 1], [p, q] = force(u, v, x, r);
      a[j] += eta * (u * p + v * q);
      w[2 * j] += eta * net.a[j] * p;
      w[2 * j + 1] += eta * net.a[j] * q;
    }
    return { a, w };
  }

  // Where neurons can end before the loss moves: maximisers of G_n on the circle for sign 1, minimisers for -1, as
  // `simplicity.boursier.extremal.exact` finds them. Inside a sector D_n is constant; at its edge it is a segment.
  function ends(x, y) {
    const turn = 2 * Math.PI, found = [], edges = [];
    for (let k = 0; k < y.length; k++) {
      const angle = Math.atan2(x[2 * k + 1], x[2 * k]);
      if (x[2 * k] || x[2 * k + 1]) edges.push((angle + 2.5 * Math.PI) % turn, (angle + 1.5 * Math.PI) % turn);
    }
    edges.sort((one, other) => one - other);
    const kept = edges.filter((angle, i) => angle - (i ? edges[i - 1] : edges[edges.length - 1] - turn) > 1e-9);
    const size = kept.length;
    const forces = kept.map(function (angle, i) {
      const middle = (angle + (i + 1 < size ? kept[i + 1] : kept[0] + turn)) / 2;
      return force(Math.cos(middle), Math.sin(middle), x, y);
    });
    const across = (angle, d) => Math.cos(angle) * d[1] - Math.sin(angle) * d[0];
    kept.forEach(function (angle, i) {
      const here = forces[i], last = forces[(i + size - 1) % size];
      const left = across(angle, here), right = across(kept[(i + 1) % size], here), before = across(angle, last);
      if (Math.hypot(...here) > 1e-12 && left * right < 0) {
        const sign = Math.sign(left);
        found.push({ sign, angle: Math.atan2(sign * here[1], sign * here[0]) });
      }
      const sign = Math.sign(Math.cos(angle) * last[0] + Math.sin(angle) * last[1]);
      if (sign * before > 0 && sign * left < 0) found.push({ sign, angle });
    });
    return found;
  }

  // Neurons of one sign within a cosine of 0.99 of a heavier one are a group; who sees no point is idle.
  function groups(net, x) {
    const found = [], order = [];
    let idle = 0;
    for (let j = 0; j < net.a.length; j++) {
      const u = net.w[2 * j], v = net.w[2 * j + 1];
      if (x.some((one, k) => k % 2 === 0 && u * one + v * x[k + 1] > 0))
        order.push({ sign: Math.sign(net.a[j]), angle: Math.atan2(v, u), weight: weight(net, j) });
      else idle++;
    }
    order.sort((one, other) => other.weight - one.weight);
    for (const one of order) {
      const home = found.find((group) => near(group, one));
      if (home) home.count++;
      else found.push({ ...one, count: 1 });
    }
    return { found, idle, seeing: order };
  }

  const weight = (net, j) => Math.abs(net.a[j]) * Math.hypot(net.w[2 * j], net.w[2 * j + 1]);
  const near = (one, other) => one.sign === other.sign && Math.cos(one.angle - other.angle) > 0.99;

  // The share of the neurons that see a point and have turned to where they can end.
  function alignedShare(net, x, targets) {
    const seeing = groups(net, x).seeing;
    return seeing.length ? seeing.filter((one) => targets.some((end) => near(end, one))).length / seeing.length : 1;
  }

  // mulberry32
  function random(state) {
    return function () {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = Math.imul(state ^ (state >>> 15), state | 1);
      t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  // `simplicity.nets.dominated` in the plane: w~ uniform in the unit disc, a~ = 1 or -1, both times lambda / sqrt(m).
  function dominated(m, lambda, seed) {
    const draw = random(seed), factor = lambda / Math.sqrt(m), a = new Float64Array(m), w = new Float64Array(2 * m);
    for (let j = 0; j < m; j++) {
      const angle = 2 * Math.PI * draw(), radius = Math.sqrt(draw());
      w[2 * j] = factor * radius * Math.cos(angle);
      w[2 * j + 1] = factor * radius * Math.sin(angle);
      a[j] = draw() < 0.5 ? -factor : factor;
    }
    return { a, w };
  }

  // The k-th point of a draw, so that more samples leave the first ones where they are.
  const THREE = [[-0.75, 1, 1.1], [-0.5, 1, 0.1], [0.125, 1, 0.8]];
  function point(law, k, seed) {
    const draw = random(7919 * seed + 104729 * k + 11);
    const normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
    if (law === "three" && k < 3) return THREE[k].slice();
    if (law === "xor") {
      const s = k & 1 ? 1 : -1, t = k & 2 ? 1 : -1;
      return [s + 0.12 * normal(), t + 0.12 * normal(), s * t];
    }
    const angle = 2 * Math.PI * (0.618 * k + 0.37 * seed + 0.06 * draw()), radius = 0.5 + draw();
    const x = radius * Math.cos(angle), label = x + 0.5 * normal();
    return [x, radius * Math.sin(angle), Math.max(-2, Math.min(2, Math.round(10 * label) / 10))];
  }

  // A run that can be continued: frames at steps whose distance grows, from the start to well after the plateau.
  const MOST = 20000, DROP = 0.9, TURNED = 0.9;
  function begin(net, x, y, eta) {
    return keep({ net, x, y, eta, step: 0, frames: [], ends: ends(x, y), aligned: -1, exit: -1, done: false });
  }

  function keep(run) {
    const frame = { step: run.step, net: run.net, loss: loss(run.net, run.x, run.y) };
    const now = run.frames.length, first = now ? run.frames[0].loss : frame.loss;
    frame.ratio = first > 0 ? frame.loss / first : 0;
    frame.share = alignedShare(run.net, run.x, run.ends);
    frame.heaviest = frame.net.a.reduce((top, _, j) => Math.max(top, weight(frame.net, j)), 0);
    if (!(frame.loss < 1e6 * (first + 1))) run.done = run.diverged = true;
    else run.frames.push(frame);
    if (run.exit < 0 && frame.ratio <= DROP && !run.diverged) run.exit = now;
    if (run.aligned < 0 && run.exit < 0 && frame.share >= TURNED) run.aligned = now;
    run.horizon = run.diverged ? run.step : run.exit < 0 ? MOST : Math.min(MOST, Math.max(8000, 8 * run.frames[run.exit].step));
    if (run.step >= run.horizon) run.done = true;
    run.next = run.step ? Math.ceil(run.step * 1.03) : Math.max(1, Math.round(0.1 / run.eta));
    return run;
  }

  function go(run, milliseconds) {
    const until = performance.now() + milliseconds;
    while (!run.done && performance.now() < until) {
      while (run.step < run.next) {
        run.net = step(run.net, run.x, run.y, run.eta);
        run.step++;
      }
      keep(run);
    }
  }

  // --- Words.

  const few = (value, digits = 2) => String(Number(value.toPrecision(digits))).replace("-", "−");
  const percent = (share) => `${share > 0.995 && share < 1.005 ? 100 : few(100 * share)}\u00a0%`;
  const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const time = (run, index) => `t = ${few(run.frames[index].step * run.eta, 3)}`;

  function directions(frame, x) {
    const { found, idle } = groups(frame.net, x);
    return many(found.length, "direction") + (idle ? ` (${idle} more see no point)` : "");
  }

  function now(run, index) {
    const frame = run.frames[index], share = percent(frame.ratio);
    const said = frame.ratio > 1.01 ? `the loss has risen to ${share}` : frame.ratio > 0.99 ? "the loss has not moved"
      : frame.ratio > DROP ? `the loss begins to move (${share})` : `the loss is at ${share}`;
    return `${time(run, index)}: the neurons point in ${directions(frame, run.x)}; ${said}.`;
  }

  // For each phase: its name, the frames where it begins and ends, and one line on what happens in it.
  function phases(run) {
    const last = run.frames.length - 1, end = run.frames[last], moves = run.exit >= 0, until = moves ? run.exit : last;
    const turned = run.aligned < 0 ? until : run.aligned, there = run.frames[turned];
    const before = run.frames.findLast((one) => one.step <= end.step / 1.5).ratio, rests = before - end.ratio < 0.01 * before;
    const lines = [["Alignment", 0, turned, run.aligned < 0
      ? ` is not complete: ${percent(there.share)} of the neurons have turned ` +
        (moves ? `when the loss has lost a tenth, at ${time(run, turned)}.` : `by ${time(run, turned)}.`)
      : `, to ${time(run, turned)}: the data pull the neurons to a few directions, ${percent(run.frames[0].share)} are there ` +
        `at first and ${percent(there.share)} in the end; the loss is still at ${percent(there.ratio)}.`]];
    lines.push(["Plateau", turned, until, !moves ? ": the loss has not moved by the end of the run."
      : run.aligned < 0 ? ": none, the loss falls before the neurons have turned."
      : `, to ${time(run, until)}: the directions hold and the weights grow, until the loss has lost a tenth.`]);
    if (moves) lines.push(["Fit", until, last, `, to ${time(run, last)}: the loss falls to ${percent(end.ratio)}` +
      `${rests && end.ratio > 0.01 ? " and hardly moves any more" : ""}, with neurons in ${directions(end, run.x)}.`]);
    if (run.diverged) lines.push(["Too large a step", last, last, ": the loss grows without bound; choose a smaller one."]);
    return lines;
  }

  window.simplicityExplorable = { forward, loss, force, step, ends, groups, alignedShare, dominated, point, begin, go, phases };

  // --- The drawing. Its elements stand in the page.

  const SIZE = 400, MIDDLE = SIZE / 2, UNIT = 78, RING = 2 * UNIT, REACH = 1.75; // of points, in units of the plane
  const LEFT = 46, RIGHT = 392, TOP = 34, BOTTOM = 352;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const place = (angle, radius) =>
    `${(MIDDLE + radius * Math.cos(angle)).toFixed(1)} ${(MIDDLE - radius * Math.sin(angle)).toFixed(1)}`;
  // From orange (-1) over grey (0) to blue (1), and quickly away from grey.
  function shade(value) {
    const t = Math.sqrt(Math.min(1, Math.abs(value))), to = value > 0 ? [45, 120, 190] : [217, 123, 31];
    return `rgb(${[150, 155, 162].map((grey, i) => Math.round(grey + t * (to[i] - grey)))})`;
  }
  const POINT = '<g class="point" role="button"><circle class="reach" r="17"/><circle class="answer" r="10"/>' +
    '<circle class="body" r="7"/><path class="sign"/></g>';

  function explorable(root) {
    const find = (selector) => root.querySelector(selector);
    const plane = find("[data-part=plane]"), chart = find("[data-part=loss]"), pointsAt = find(".points");
    const state = { law: "teacher", n: 12, scale: -4, m: 40, rate: -1.7, speed: 40, seed: 6, chosen: 0 };
    let points = [], run = null, shown = 0, wanted = null, dragging = -1; // `wanted`: the step that was asked for
    let playing = false, pending = 0, carried = 0, before = 0;

    // --- Running.

    function redraw(again) {
      points = again ? [] : points.slice(0, state.n);
      while (points.length < state.n) points.push(point(state.law, points.length, state.seed));
      restart();
    }

    function restart() {
      state.n = points.length;
      state.chosen = Math.min(state.chosen, state.n - 1);
      const x = Float64Array.from(points.flatMap((one) => one.slice(0, 2))), y = Float64Array.from(points, (one) => one[2]);
      run = begin(dominated(state.m, 10 ** state.scale, state.seed), x, y, 10 ** state.rate);
      go(run, 8);
      show();
      tick();
    }

    // The moment that was asked for; before one was, the plateau, which tells the story without a click.
    function current() {
      const { frames, aligned, exit } = run, end = exit < 0 ? frames.length - 1 : exit;
      if (wanted === null && aligned < 0) return end;
      const step = wanted ?? Math.sqrt((frames[aligned].step + 1) * (frames[end].step + 1));
      return Math.max(0, frames.findLastIndex((one) => one.step <= step));
    }

    function goTo(index) {
      wanted = run.frames[Math.max(0, Math.min(run.frames.length - 1, index))].step;
      show();
    }

    const tick = () => (pending ||= requestAnimationFrame(turn));

    function turn(moment) {
      pending = 0;
      const grows = !run.done;
      if (grows) go(run, 12);
      if (playing) {
        carried += Math.min(0.2, Math.max(0, moment - before) / 1000) * state.speed;
        goTo(shown + Math.floor(carried));
        carried %= 1;
        if (shown === run.frames.length - 1 && run.done) play(false);
      } else if (grows) show();
      before = moment;
      if (playing || !run.done) tick();
    }

    function play(on) {
      playing = on;
      find(".said").setAttribute("aria-live", on ? "off" : "polite");
      find("[data-do=play]").textContent = calm.matches ? "Next phase" : on ? "Pause" : "Start";
      before = performance.now();
      if (on) tick();
    }

    // --- Showing.

    function show() {
      shown = current();
      const frame = run.frames[shown], list = phases(run), label = points[state.chosen][2];
      drawNeurons(frame);
      drawPoints(forward(frame.net, run.x));
      drawChart(frame, list);
      find(".said").textContent = now(run, shown);
      const phase = Math.max(0, list.findLastIndex(([, from, to]) => from <= shown && from < to));
      const line = ([name, , to, words], i) =>
        `<li${i === phase ? ' aria-current="step"' : ""}><button type="button" data-to="${to}">${name}</button>${words}</li>`;
      find(".phases").innerHTML = list.map(line).join("");
      const values = { ...state, frame: shown, label }, powers = { scale: few(10 ** state.scale), rate: few(10 ** state.rate) };
      const words = { frame: time(run, shown), n: state.n, m: state.m, label: few(label), ...powers };
      for (const field of root.querySelectorAll("[data-set]")) {
        const key = field.dataset.set;
        if (key === "frame") field.max = run.frames.length - 1;
        if (key === "n") field.disabled = state.law === "three";
        field.value = values[key];
        if (!(key in words)) continue;
        find(`[data-shown=${key}]`).textContent = words[key];
        field.setAttribute("aria-valuetext", words[key]);
      }
    }

    function drawNeurons(frame) {
      const { a, w } = frame.net, begun = run.frames[0].net.w, heights = [], lines = {};
      const draw = (name, sign, path) => (lines[`.${name}${sign > 0 ? ".plus" : ".minus"}`] += path);
      for (const one of plane.querySelectorAll("path[class]")) lines[`.${one.getAttribute("class").replace(" ", ".")}`] = "";
      a.forEach(function (value, j) {
        const angle = Math.atan2(w[2 * j + 1], w[2 * j]), length = RING * weight(frame.net, j) / frame.heaviest;
        const side = Math.atan2(3, length - 7), far = Math.hypot(length - 7, 3), tip = place(angle, length);
        draw("dot", value, `M${place(angle, RING)}h0`);
        draw("start", value, `M${place(Math.atan2(begun[2 * j + 1], begun[2 * j]), RING)}h0`);
        const head = length > 9 ? `M${place(angle + side, far)}L${tip}L${place(angle - side, far)}` : "";
        draw("arrow", value, `M${MIDDLE} ${MIDDLE}L${tip}${head}`);
      });
      for (const end of run.ends) draw("spoke", end.sign, `M${MIDDLE} ${MIDDLE}L${place(end.angle, RING + 16)}`);
      for (let i = 0; i <= 180; i++) {
        const u = Math.cos(i * Math.PI / 90), v = Math.sin(i * Math.PI / 90), [p, q] = force(u, v, run.x, run.y);
        heights.push(u * p + v * q);
      }
      const highest = Math.max(1e-12, ...heights.map(Math.abs)) / 0.17;
      lines[".curve"] = "M" + heights.map((one, i) => place(i * Math.PI / 90, RING * (1 + one / highest))).join("L");
      for (const [name, path] of Object.entries(lines)) plane.querySelector(name).setAttribute("d", path);
      const magnified = Math.max(...run.frames.map((one) => one.heaviest)) / frame.heaviest;
      find(".scale").textContent = magnified < 1.05 ? "" : `arrows × ${Number(magnified.toPrecision(2)).toLocaleString("en")}`;
      const { found } = groups(frame.net, run.x);
      const number = ({ angle, count }) => `<text transform="translate(${place(angle, RING + 28)})" y="5">${count}</text>`;
      find(".counts").innerHTML = found.length < 9 ? found.filter((one) => one.count > 2).map(number).join("") : "";
    }

    function drawPoints(answers) {
      while (pointsAt.children.length > points.length) pointsAt.lastChild.remove();
      while (pointsAt.children.length < points.length) pointsAt.insertAdjacentHTML("beforeend", POINT);
      points.forEach(function ([x, y, label], k) {
        const one = pointsAt.children[k], [, answer, body, sign] = one.children;
        const name = `Point ${k + 1} of ${state.n} at ${few(x)}, ${few(y)}, label ${few(label)}, network ${few(answers[k])}`;
        one.setAttribute("transform", `translate(${place(Math.atan2(y, x), UNIT * Math.hypot(x, y))})`);
        one.setAttribute("aria-label", name);
        one.setAttribute("aria-pressed", k === state.chosen);
        one.setAttribute("tabindex", k === state.chosen ? 0 : -1);
        body.setAttribute("fill", shade(label));
        answer.setAttribute("stroke", shade(answers[k]));
        sign.setAttribute("d", label > 0 ? "M-4 0h8M0-4v8" : label < 0 ? "M-4 0h8" : "");
      });
    }

    // Time is drawn on a logarithmic scale, from the first frame after the start.
    const first = () => run.frames[Math.min(1, run.frames.length - 1)].step || 1;
    const span = () => Math.log(Math.max(2 * first(), run.horizon, run.frames[run.frames.length - 1].step) / first());
    const toX = (step) => LEFT + (RIGHT - LEFT) * Math.max(0, Math.log(Math.max(step, 0.1) / first())) / span();

    function drawChart(frame, list) {
      const frames = run.frames, top = Math.max(1, ...frames.map((one) => one.ratio)) * 1.06;
      const toY = (share) => BOTTOM - (BOTTOM - TOP) * share / top, x = toX(frame.step);
      const line = (key, from, to) =>
        "M" + frames.slice(from, to).map((one) => `${toX(one.step).toFixed(1)} ${toY(one[key]).toFixed(1)}`).join("L");
      const text = (x, y, anchor, words) => `<text x="${x}" y="${y}" text-anchor="${anchor}">${words}</text>`;
      chart.querySelector(".loss").setAttribute("d", line("ratio", frames.length > 1 ? 1 : 0));
      chart.querySelector(".share").setAttribute("d", line("share", 0, run.exit < 0 ? frames.length : run.exit + 1));
      find(".now").setAttribute("d", `M${x} ${TOP}V${BOTTOM}`);
      find(".here").setAttribute("transform", `translate(${x} ${toY(frame.ratio)})`);
      find(".bands").innerHTML = list.filter(([, from, to]) => from < to).map(function ([name, from, to]) {
        const x = toX(frames[from].step), width = toX(frames[to].step) - x;
        const words = width > 5.5 * name.length ? text(x + width / 2, TOP - 8, "middle", name.toLowerCase()) : "";
        return `<rect class="${name}" x="${x}" y="${TOP}" width="${width}" height="${BOTTOM - TOP}"/>${words}`;
      }).join("");
      const ticks = [0, 0.5, 1].map((share) => text(LEFT - 6, toY(share) + 5, "end", `${100 * share}%`));
      for (let power = -3; power < 6; power++) {
        const at = toX(10 ** power / run.eta);
        if (10 ** power / run.eta < first() * 0.99 || at > RIGHT) continue;
        ticks.push(`<path class="axis" d="M${at} ${BOTTOM}v5"/>${text(at, BOTTOM + 20, "middle", 10 ** power)}`);
      }
      find(".ticks").innerHTML = ticks.join("");
    }

    // --- Asking.

    function within(event, drawing) {
      const box = drawing.getBoundingClientRect(), scale = SIZE / box.width;
      return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    }
    const inPlane = (event) => within(event, plane).map((one, i) => (i ? MIDDLE - one : one - MIDDLE) / UNIT);
    function move(k, x, y) {
      const size = Math.max(1, Math.hypot(x, y) / REACH);
      points[k] = [x / size, y / size, points[k][2]];
      restart();
    }

    function choose(k) {
      state.chosen = (k + state.n) % state.n;
      show();
      pointsAt.children[state.chosen].focus({ preventScroll: true });
    }

    function add(x, y) {
      if (state.n >= 40) return;
      state.chosen = points.push([x, y, x < 0 ? -1 : 1]) - 1;
      restart();
    }

    function relabel(value) {
      points[state.chosen][2] = Math.max(-2, Math.min(2, Math.round(10 * value) / 10));
      restart();
    }

    const remove = () => (state.n > 1 && points.splice(state.chosen, 1), restart());

    plane.addEventListener("pointerdown", function (event) {
      const one = event.target.closest(".point");
      if (!one || event.button) return;
      event.preventDefault();
      one.setPointerCapture(event.pointerId);
      choose((dragging = Array.from(pointsAt.children).indexOf(one)));
    });
    plane.addEventListener("pointermove", (event) => dragging >= 0 && move(dragging, ...inPlane(event)));
    for (const name of ["pointerup", "pointercancel"]) plane.addEventListener(name, () => (dragging = -1));
    plane.addEventListener("click", function (event) {
      const at = inPlane(event);
      if (!event.target.closest(".point") && Math.hypot(...at) <= REACH) add(...at);
    });
    pointsAt.addEventListener("keydown", function (event) {
      const k = state.chosen, [x, y, label] = points[k], by = event.shiftKey ? 0.25 : 0.05;
      const erase = () => (remove(), choose(state.chosen)), keys = {
        ArrowLeft: () => move(k, x - by, y), ArrowRight: () => move(k, x + by, y),
        ArrowUp: () => move(k, x, y + by), ArrowDown: () => move(k, x, y - by),
        PageUp: () => choose(k - 1), PageDown: () => choose(k + 1),
        "+": () => relabel(label + 0.1), "-": () => relabel(label - 0.1), Delete: erase, Backspace: erase,
      };
      if (!keys[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      keys[event.key]();
    });
    // The theme would turn the page.
    root.addEventListener("keydown", (event) => event.key.startsWith("Arrow") && event.stopPropagation());

    function seek(event) {
      const x = (within(event, chart)[0] - LEFT) / (RIGHT - LEFT), step = first() * Math.exp(span() * x);
      play(false);
      goTo(x <= 0 ? 0 : run.frames.findLastIndex((one) => one.step <= step));
    }
    chart.addEventListener("pointermove", (event) => event.buttons === 1 && event.pointerType === "mouse" && seek(event));
    chart.addEventListener("click", seek); // a finger that scrolls does not click

    const acts = {
      play: function () {
        if (calm.matches) return goTo([run.aligned, run.exit, run.frames.length - 1].find((one) => one > shown) ?? 0);
        if (!playing && (wanted === null || shown === run.frames.length - 1)) goTo(0);
        play(!playing);
      },
      step: () => (play(false), goTo(shown + 1)),
      reset: () => (play(false), goTo(0)),
      draw: () => (state.seed++, redraw(state.law !== "three")),
      add: () => add(0.7 * Math.cos(2.4 * state.n), 0.7 * Math.sin(2.4 * state.n)),
      remove,
    };
    root.addEventListener("click", function (event) {
      const { do: act, to } = event.target.dataset;
      if (act) acts[act]();
      if (to === undefined) return;
      const which = Array.from(find(".phases").children).indexOf(event.target.closest("li"));
      play(false);
      goTo(Number(to));
      find(".phases").children[which].querySelector("button").focus();
    });
    root.addEventListener("input", function (event) {
      const key = event.target.dataset.set, value = event.target.value;
      if (key === "frame") return play(false), goTo(Number(value));
      if (key === "label") return relabel(Number(value));
      state[key] = key === "law" ? value : Number(value);
      if (key === "law") [state.n, wanted] = [{ teacher: 12, xor: 8, three: 3 }[value], null];
      if (key === "law" || key === "n") redraw(key === "law");
      else if (key !== "speed") restart();
    });
    calm.addEventListener("change", () => play(false));
    window.addEventListener("beforeprint", () => play(false)); // paper shows the moment that is to be seen
    redraw(true);
    go(run, 300); // no longer: the first picture is not to wait
    show();
    play(false);
    find(".controls").hidden = find(".help").hidden = false;
  }

  const start = () => document.querySelectorAll(".simplicity-explorable").forEach(explorable);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
