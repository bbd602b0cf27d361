"use strict";

/* Show footprints on a map that one can step through by receptor and hour. `data` is what
 * stilt/plotting/interactive.py packs. Returns what a page needs to steer the map. */
function stiltMap(root, data) {
  const { grid, maps, receptors, outlines, decades, codes, palette } = data;
  const SHOWN_DECADES = 4, FEWEST_CELLS = 9;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const state = { receptor: 0, step: 0, follow: true, view: null, field: null, play: null };

  // -- what is on the page -----------------------------------------------------------------------
  const make = (tag, parent, properties = {}) => {
    const element = Object.assign(document.createElement(tag), properties);
    parent.append(element);
    return element;
  };
  root.classList.add("stilt-map");
  if (!("DecompressionStream" in window)) {
    root.textContent = "This browser is too old for the map: one of 2023 or later shows it.";
    return { show: () => {}, state };
  }
  const controls = make("div", root, { className: "controls" });
  const slider = (name, most) => {
    const id = `stilt-${name}-${Math.random().toString(36).slice(2)}`;
    make("label", controls, { textContent: name, htmlFor: id });
    const input = make("input", controls, { type: "range", id, min: 0, max: most, value: 0 });
    const buttons = make("span", controls);
    const step = (by) => { input.value = Number(input.value) + by; input.dispatchEvent(new Event("input")); };
    make("button", buttons, { textContent: "‹", title: `previous ${name}`, onclick: () => step(-1) });
    make("button", buttons, { textContent: "›", title: `next ${name}`, onclick: () => step(1) });
    return { input, step, buttons };
  };
  const byReceptor = slider("receptor", maps.length - 1);
  const byHour = slider("hour", 0);
  const player = make("button", byHour.buttons, { textContent: "play", title: "step through the hours" });
  if (maps.length < 2) for (const each of [...controls.children].slice(0, 3)) each.style.display = "none";
  const what = make("div", root, { className: "what" });
  const when = make("div", root, { className: "when" });
  when.setAttribute("aria-live", "polite");
  const stage = make("div", root, { className: "stage" });
  const canvas = make("canvas", stage, { tabIndex: 0 });
  canvas.setAttribute("aria-label", "map of the influence; arrow keys step through receptors and hours");
  const tip = make("div", stage, { className: "tip" });
  const zoom = make("div", stage, { className: "zoom" });
  make("button", zoom, { textContent: "+", title: "zoom in", onclick: () => zoomBy(1.5) });
  make("button", zoom, { textContent: "−", title: "zoom out", onclick: () => zoomBy(1 / 1.5) });
  make("button", zoom, { textContent: "influence", title: "show where the influence is",
    onclick: () => { state.follow = true; fit(); draw(); } });
  make("button", zoom, { textContent: "whole grid", title: "show all of the grid",
    onclick: () => { state.follow = false; fitBox(gridBox()); draw(); } });
  const legend = make("div", root, { className: "legend" });

  // -- values ------------------------------------------------------------------------------------
  const values = Float64Array.from({ length: codes + 1 }, (_, code) =>
    code ? 10 ** (decades * (code / codes - 1)) : 0);
  const cache = new Map();

  async function unpack(number) {
    if (cache.has(number)) return cache.get(number);
    const map = maps[number];
    const packed = Uint8Array.from(atob(map.data), (letter) => letter.charCodeAt(0));
    const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(plain).arrayBuffer());
    const size = map.box[2] * map.box[3];
    const layers = map.stamps.map((_, layer) => bytes.subarray(layer * size, (layer + 1) * size));
    if (cache.size > 50) cache.delete(cache.keys().next().value);
    cache.set(number, layers);
    return layers;
  }

  /* The layer that a step of the hour slider shows: away from the receptor; null for all. */
  function layerOf(step) {
    const count = maps[state.receptor].stamps.length;
    if (step === 0) return null;
    return backward() ? count - step : step - 1;
  }
  const backward = () => maps[state.receptor].stamps[0] < receptors[state.receptor].time;

  async function choose() {
    const number = state.receptor;
    const layers = await unpack(number);
    if (number !== state.receptor) return;
    const { box, largest, stamps } = maps[number];
    const layer = layerOf(state.step);
    const field = new Float64Array(box[2] * box[3]);
    let most = 0;
    for (let cell = 0; cell < field.length; cell++) {
      if (layer === null) for (const each of layers) field[cell] += values[each[cell]];
      else field[cell] = values[layers[layer][cell]];
      field[cell] *= largest;
      if (field[cell] > most) most = field[cell];
    }
    state.field = field;
    state.most = layer === null ? most : largest;
    what.textContent = receptors[number].text;
    const from = layer === null ? stamps[0] : stamps[layer];
    const last = layer === null ? stamps[stamps.length - 1] : stamps[layer];
    const span = data.coarseness.hours * 3600;
    const until = data.integrated || (layer === null && stamps.length === 1) ? null : last + span;
    const hours = Math.round((from - receptors[number].time) / 3600);
    const which = layer === null ? "all hours" : `${hours > 0 ? "+" : "−"}${Math.abs(hours)} h`;
    when.textContent = most === 0 && layer === null ? "no influence on this grid"
      : `${which}: ${clock(from)}${until === null ? "" : ` to ${clock(until)}`} UTC`;
    if (state.follow || state.view === null) fit();
    paint();
    draw();
    drawLegend();
    root.dispatchEvent(new CustomEvent("stilt-receptor", { detail: receptors[number].id }));
  }
  const clock = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");

  // -- colours -----------------------------------------------------------------------------------
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const stops = () => (dark.matches ? [...palette].reverse() : palette);
  function ramp() {
    const rgb = stops().map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    return Array.from({ length: 256 }, (_, number) => {
      const place = (number / 255) * (rgb.length - 1);
      const low = Math.min(Math.floor(place), rgb.length - 2);
      return rgb[low].map((value, part) => value + (place - low) * (rgb[low + 1][part] - value));
    });
  }
  const image = document.createElement("canvas");
  function paint() {
    const [, , rows, columns] = maps[state.receptor].box;
    image.width = Math.max(columns, 1);
    image.height = Math.max(rows, 1);
    const context = image.getContext("2d");
    const pixels = context.createImageData(image.width, image.height);
    const colours = ramp();
    state.field.forEach((value, cell) => {
      if (!(value > 0)) return;
      const share = 1 + Math.log10(value / state.most) / SHOWN_DECADES;
      const colour = colours[Math.max(0, Math.min(255, Math.round(share * 255)))];
      const row = rows - 1 - Math.floor(cell / columns);
      pixels.data.set([...colour, 255], 4 * (row * columns + (cell % columns)));
    });
    context.putImageData(pixels, 0, 0);
  }
  function drawLegend() {
    legend.replaceChildren();
    if (!state.most) return;
    const text = (value) => value.toExponential(1).replace(/e([+-])(\d+)/, (_, sign, digits) =>
      ` × 10${[...(sign === "-" ? "−" : "") + digits].map((d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d] ?? "⁻").join("")}`);
    const { most } = state;
    make("span", legend, { textContent: text(most / 10 ** SHOWN_DECADES) });
    make("span", legend, { className: "ramp" }).style.background =
      `linear-gradient(to right, ${stops().join(", ")})`;
    make("span", legend, { textContent: text(most) });
    make("span", legend, { textContent: "ppm per (µmol m⁻² s⁻¹), logarithmic" });
  }

  // -- the view: centre in map units, and pixels per map unit ------------------------------------
  const stretch = grid.degrees
    ? 1 / Math.cos((Math.PI / 180) * Math.min(85, Math.abs(grid.y + (grid.rows * grid.dy) / 2))) : 1;
  const size = () => [canvas.clientWidth, canvas.clientHeight];
  const toX = (x) => (x - state.view.x) * state.view.scale + size()[0] / 2;
  const toY = (y) => size()[1] / 2 - (y - state.view.y) * state.view.scale * stretch;
  const fromX = (px) => (px - size()[0] / 2) / state.view.scale + state.view.x;
  const fromY = (py) => (size()[1] / 2 - py) / state.view.scale / stretch + state.view.y;
  const gridBox = () => [grid.x, grid.x + grid.columns * grid.dx, grid.y, grid.y + grid.rows * grid.dy];
  function fitBox([west, east, south, north]) {
    const [width, height] = size();
    const scale = 0.8 * Math.min(width / (east - west), height / ((north - south) * stretch));
    state.view = { x: (west + east) / 2, y: (south + north) / 2, scale };
  }
  function fit() {
    const [row, column, rows, columns] = maps[state.receptor].box;
    if (!rows) return fitBox(gridBox());
    const wide = Math.max(columns, FEWEST_CELLS), high = Math.max(rows, FEWEST_CELLS);
    const x = grid.x + (column + columns / 2) * grid.dx, y = grid.y + (row + rows / 2) * grid.dy;
    fitBox([x - (wide / 2) * grid.dx, x + (wide / 2) * grid.dx, y - (high / 2) * grid.dy, y + (high / 2) * grid.dy]);
  }
  function zoomBy(factor, px = size()[0] / 2, py = size()[1] / 2) {
    const x = fromX(px), y = fromY(py);
    state.follow = false;
    state.view.scale *= factor;
    state.view.x += x - fromX(px);
    state.view.y += y - fromY(py);
    draw();
  }

  // -- drawing -----------------------------------------------------------------------------------
  const paths = Object.fromEntries(["states", "borders", "coastlines", "lakes"].map((layer) => {
    const path = new Path2D();
    for (const line of outlines[layer]) {
      let x = 0, y = 0;
      for (let at = 0; at < line.length; at += 2) {
        x += line[at];
        y += line[at + 1];
        const place = [outlines.x + x * outlines.step, outlines.y + y * outlines.step];
        if (at) path.lineTo(...place); else path.moveTo(...place);
      }
    }
    return [layer, path];
  }));
  function draw() {
    const [width, height] = size(), ratio = window.devicePixelRatio || 1;
    if (!width || !state.view) return;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    const labels = drawGraticule(pen, width, height);
    const [row, column, rows, columns] = maps[state.receptor].box;
    pen.imageSmoothingEnabled = false;
    const left = toX(grid.x + column * grid.dx), top = toY(grid.y + (row + rows) * grid.dy);
    if (rows) {
      pen.drawImage(image, left, top, columns * grid.dx * state.view.scale,
        rows * grid.dy * state.view.scale * stretch);
    }
    const { scale } = state.view;
    const move = new DOMMatrix([scale, 0, 0, -scale * stretch, toX(0), toY(0)]);
    const pens = { states: [css("--faint"), 0.8, [4, 3]], borders: [css("--ink"), 1, [6, 3]],
      coastlines: [css("--ink"), 1.1, []], lakes: [css("--water"), 1.1, []] };
    for (const [layer, path] of Object.entries(paths)) {
      const moved = new Path2D();
      moved.addPath(path, move);
      [pen.strokeStyle, pen.lineWidth] = pens[layer];
      pen.setLineDash(pens[layer][2]);
      pen.stroke(moved);
    }
    pen.setLineDash([]);
    pen.strokeStyle = css("--faint");
    pen.strokeRect(toX(grid.x), toY(grid.y + grid.rows * grid.dy), grid.columns * grid.dx * scale,
      grid.rows * grid.dy * scale * stretch);
    for (const [x, y] of receptors[state.receptor].points) drawMark(pen, toX(x), toY(y));
    drawLabels(pen, labels);
    drawScaleBar(pen, height);
  }
  const niceStep = (wanted) => {
    const power = 10 ** Math.floor(Math.log10(wanted));
    return power * [1, 2, 5, 10].find((times) => times * power >= wanted * 0.999);
  };
  const degrees = (value, digits, plus, minus) => {
    const turned = plus === "E" ? ((((value + 180) % 360) + 360) % 360) - 180 : value;
    const letter = Math.abs(turned) < 1e-9 ? "" : turned > 0 ? plus : minus;
    return `${Math.abs(turned).toFixed(digits)}°${letter}`;
  };
  function drawGraticule(pen, width, height) {
    pen.strokeStyle = css("--lines");
    pen.lineWidth = 0.8;
    const labels = [], step = niceStep(110 / state.view.scale), km = !grid.degrees;
    const digits = Math.max(0, -Math.floor(Math.log10(km ? step / 1000 : step)));
    const text = (value, plus, minus) => {
      if (km) return `${(value / 1000).toFixed(digits)} km`;
      return degrees(value, digits, plus, minus);
    };
    for (let x = Math.ceil(fromX(0) / step) * step; x < fromX(width); x += step) {
      pen.beginPath(); pen.moveTo(toX(x), 0); pen.lineTo(toX(x), height); pen.stroke();
      if (toX(x) < width - 48) labels.push([text(x, "E", "W"), toX(x) + 3, height - 5]);
    }
    for (let y = Math.ceil(fromY(height) / step) * step; y < fromY(0); y += step) {
      pen.beginPath(); pen.moveTo(0, toY(y)); pen.lineTo(width, toY(y)); pen.stroke();
      if (toY(y) < height - 22 && toY(y) > 16) labels.push([text(y, "N", "S"), 4, toY(y) - 3]);
    }
    return labels;
  }
  /* Above everything else, on a rim of the paper's colour. */
  function drawLabels(pen, labels) {
    pen.font = "11.5px system-ui, sans-serif";
    pen.strokeStyle = css("--paper");
    pen.fillStyle = css("--faint");
    pen.lineWidth = 3;
    pen.lineJoin = "round";
    for (const label of labels) {
      pen.strokeText(...label);
      pen.fillText(...label);
    }
  }
  function drawMark(pen, x, y) {
    pen.lineCap = "square";
    for (const [colour, width] of [[css("--panel"), 5], [css("--ink"), 1.8]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = width;
      pen.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        pen.moveTo(x + 6 * dx, y + 6 * dy);
        pen.lineTo(x + 13 * dx, y + 13 * dy);
      }
      pen.stroke();
    }
    pen.lineCap = "butt";
  }
  function drawScaleBar(pen, height) {
    const perKm = grid.degrees
      ? state.view.scale / (111.195 * Math.cos((Math.PI / 180) * Math.min(85, Math.abs(fromY(height)))))
      : state.view.scale * 1000;
    const km = niceStep(60 / perKm), bottom = height - 30;
    pen.fillStyle = css("--panel");
    pen.fillRect(44, bottom - 20, Math.max(km * perKm, 44) + 14, 27);
    pen.fillStyle = css("--ink");
    pen.fillRect(51, bottom, km * perKm, 2.5);
    pen.fillText(`${Number(km.toPrecision(2))} km`, 51, bottom - 5);
  }

  // -- what a reader does ------------------------------------------------------------------------
  function toReceptor(number) {
    if (number < 0 || number >= maps.length) return;
    state.receptor = number;
    byReceptor.input.value = number;
    const hours = maps[number].stamps.length;
    byHour.input.max = hours > 1 ? hours : 0;
    state.step = Math.min(state.step, Number(byHour.input.max));
    byHour.input.value = state.step;
    choose();
  }
  byReceptor.input.oninput = () => toReceptor(Number(byReceptor.input.value));
  byHour.input.oninput = () => { state.step = Number(byHour.input.value); choose(); };
  player.onclick = () => {
    const stop = () => { clearInterval(state.play); state.play = null; player.textContent = "play"; };
    if (state.play) return stop();
    player.textContent = "stop";
    if (state.step >= Number(byHour.input.max)) state.step = 0;
    state.play = setInterval(() => {
      if (state.step >= Number(byHour.input.max)) return stop();
      byHour.step(1);
    }, 500);
  };
  canvas.onkeydown = (event) => {
    const moves = { ArrowLeft: [byReceptor, -1], ArrowRight: [byReceptor, 1],
      ArrowUp: [byHour, -1], ArrowDown: [byHour, 1] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    moves[event.key][0].step(moves[event.key][1]);
  };
  canvas.onwheel = (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  };
  let grip = null;
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    grip = [event.clientX, event.clientY];
  };
  canvas.onpointerup = () => { grip = null; };
  canvas.onpointermove = (event) => {
    if (grip) {
      state.follow = false;
      state.view.x -= (event.clientX - grip[0]) / state.view.scale;
      state.view.y += (event.clientY - grip[1]) / state.view.scale / stretch;
      grip = [event.clientX, event.clientY];
      draw();
    }
    showTip(event.offsetX, event.offsetY);
  };
  canvas.onpointerleave = () => { tip.style.display = "none"; };
  function showTip(px, py) {
    const x = fromX(px), y = fromY(py), [row, column, rows, columns] = maps[state.receptor].box;
    const at = [Math.floor((y - grid.y) / grid.dy) - row, Math.floor((x - grid.x) / grid.dx) - column];
    const inside = at[0] >= 0 && at[0] < rows && at[1] >= 0 && at[1] < columns;
    const value = inside ? state.field[at[0] * columns + at[1]] : 0;
    const place = grid.degrees ? `${degrees(y, 3, "N", "S")} ${degrees(x, 3, "E", "W")}`
      : `${(x / 1000).toFixed(1)} km, ${(y / 1000).toFixed(1)} km`;
    tip.textContent = `${place}: ${value ? value.toPrecision(2) : "0"} ppm per (µmol m⁻² s⁻¹)`;
    tip.style.display = "block";
    const left = Math.min(px + 14, size()[0] - tip.offsetWidth - 6);
    tip.style.transform = `translate(${left}px, ${Math.max(py - 30, 4)}px)`;
    tip.style.top = tip.style.left = 0;
  }
  dark.addEventListener("change", () => { paint(); draw(); drawLegend(); });
  new ResizeObserver(() => { if (state.field) { if (state.follow) fit(); draw(); } }).observe(canvas);
  toReceptor(Math.max(0, maps.findIndex((map) => map.box[2] > 0)));
  return { show: (id) => toReceptor(maps.findIndex((map) => map.id === id)), state };
}
