"use strict";

/* Draw the sum of every footprint over the time of its receptor; a click shows its map. */
function stiltSeries(root, totals, pick) {
  const NS = "http:" + "//www.w3.org/2000/svg";
  const colour = (place) => `var(--place${place})`;
  const width = Math.max(root.clientWidth, 320), height = 250;
  const room = { left: 46, right: 34, top: 30, bottom: 28 };
  const { points, places } = totals;
  const make = (tag, properties, parent, text) => {
    const element = document.createElementNS(NS, tag);
    for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
    if (text) element.textContent = text;
    parent.append(element);
    return element;
  };
  root.replaceChildren();
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "sums of footprints" }, root);
  const times = points.map((point) => point[1]), values = points.map((point) => point[2]);
  let first = Math.min(...times), last = Math.max(...times);
  if (first === last) { first -= 3600; last += 3600; }
  const nice = (wanted) => {
    const power = 10 ** Math.floor(Math.log10(wanted));
    return power * [1, 2, 5, 10].find((times) => times * power >= wanted * 0.999);
  };
  const most = Math.max(...values) || 1;
  const step = nice(most / 5), top = Math.ceil(most / step) * step;
  const x = (time) => room.left + ((time - first) / (last - first)) * (width - room.left - room.right);
  const y = (value) => height - room.bottom - (value / top) * (height - room.top - room.bottom);
  make("text", { x: 4, y: 14 }, svg, "ppm per (µmol m⁻² s⁻¹)");
  for (let value = 0; value <= top * 1.0001; value += step) {
    make("line", { x1: room.left, x2: width - room.right, y1: y(value), y2: y(value) }, svg);
    make("text", { x: room.left - 6, y: y(value) + 4, "text-anchor": "end" }, svg, String(Number(value.toPrecision(3))));
  }
  const hours = [1 / 60, 1 / 12, 1 / 4, 1 / 2, 1, 2, 3, 6, 12, 24, 48, 120, 240, 720, 2160, 8760].find((each) => (last - first) / 3600 / each <= width / 85) ?? 87600;
  for (let time = Math.ceil(first / 3600 / hours) * hours * 3600; time <= last; time += hours * 3600) {
    const clock = new Date(Math.round(time) * 1000).toISOString();
    make("line", { x1: x(time), x2: x(time), y1: room.top, y2: height - room.bottom }, svg);
    const edge = x(time) > width - 40;
    make("text", { x: edge ? width : x(time), y: height - 10, "text-anchor": edge ? "end" : "middle" }, svg,
      hours < 24 ? clock.slice(5, 16).replace("T", " ") : clock.slice(...(hours < 720 ? [5, 10] : [0, 7])));
  }
  /* Parts of a line: it breaks where there is no receptor for more than 2.5 of the usual steps. */
  const withoutGaps = (own) => {
    const steps = own.slice(1).map((point, number) => point[1] - own[number][1]);
    const usual = [...steps].sort((a, b) => a - b)[steps.length >> 1] ?? 0;
    const parts = [own.slice(0, 1)];
    steps.forEach((step, number) => {
      if (step > 2.5 * usual) parts.push([]);
      parts.at(-1).push(own[number + 1]);
    });
    return parts;
  };
  const marks = new Map();
  const small = points.length > 600 ? 2 : 3.4;
  places.forEach((_, place) => {
    const own = points.filter((point) => point[3] === place);
    if (places.length > 1 || points.length <= 600) {
      for (const part of withoutGaps(own)) {
        const line = part.map((point) => `${x(point[1]).toFixed(1)},${y(point[2]).toFixed(1)}`).join(" ");
        make("polyline", { points: line, fill: "none", style: `stroke: ${colour(place)}`, "stroke-opacity": 0.45 }, svg);
      }
    }
    for (const point of own) {
      const mark = make("circle", { cx: x(point[1]), cy: y(point[2]), r: small, style: `fill: ${colour(place)}` }, svg);
      const clock = new Date(point[1] * 1000).toISOString().slice(0, 16).replace("T", " ");
      make("title", {}, mark, `${clock} UTC: ${point[2]}\n${point[0]}`);
      mark.addEventListener("click", () => pick(point[0]));
      marks.set(point[0], mark);
    }
  });
  const key = document.createElement("ul");
  key.className = "key";
  places.forEach((place, number) => {
    const item = document.createElement("li"), swatch = document.createElement("i");
    swatch.style.background = colour(number);
    item.append(swatch, place);
    key.append(item);
  });
  const span = document.createElement("li");
  const days = [first, last].map((time) => new Date(time * 1000).toISOString().slice(0, 10));
  span.textContent = `${[...new Set(days)].join(" to ")}, UTC`;
  key.append(span);
  root.append(key);
  return (id) => {
    for (const mark of svg.querySelectorAll(".chosen")) mark.classList.remove("chosen");
    marks.get(id)?.classList.add("chosen");
  };
}

const seriesRoot = document.getElementById("series"), mapRoot = document.getElementById("map");
let stepper = null, choose = () => {};
if (mapRoot) {
  mapRoot.addEventListener("stilt-receptor", (event) => choose(event.detail));
  stepper = stiltMap(mapRoot, MAPS);
}
if (seriesRoot) {
  choose = stiltSeries(seriesRoot, TOTALS, (id) => {
    if (!stepper || !MAPS.maps.some((map) => map.id === id)) return;
    stepper.show(id);
    mapRoot.scrollIntoView({ behavior: "smooth", block: "center" });
  });
  if (stepper) choose(MAPS.maps[stepper.state.receptor].id);
}
