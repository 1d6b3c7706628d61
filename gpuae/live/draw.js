// Draws panels of pictures. All text comes from files of strangers: it is set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 220, LEFT = 58, RIGHT = 14, TOP = 10, BOTTOM = 38;
const COLOURS = 4;

export function element(name, classes = "", text = null) {
  const own = document.createElement(name);
  if (classes) own.className = classes;
  if (text !== null) own.textContent = text;
  return own;
}

function shape(name, attributes, text = null) {
  const own = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) own.setAttribute(key, value);
  if (text !== null) own.textContent = text;
  return own;
}

// Numbers

function bytes(packed) {
  return Uint8Array.from(atob(packed), (own) => own.charCodeAt(0));
}

export function numbers(values) {
  if (values.float32 !== undefined) return new Float32Array(bytes(values.float32).buffer);
  return values.flat(Infinity).map((own) => (own === null ? NaN : own));
}

function sizes(values) {
  const found = values.shape ? [...values.shape] : [];
  for (let own = values; !values.shape && Array.isArray(own); own = own[0]) found.push(own.length);
  return found;
}

export function worded(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) return value.toExponential(digits - 2).replace("-", "−");
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

function span(lists) {
  let low = Infinity, high = -Infinity;
  for (const list of lists) for (const own of list) {
    if (own < low) low = own;
    if (own > high) high = own;
  }
  return low <= high ? [low, high] : [0, 1];
}

// Axes

function steps(low, high, wanted) {
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((own) => own * power >= rough) * power;
  const first = Math.ceil(low / step - 1e-9), last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) => (first + place) * step);
}

function powers(low, high) {
  const found = [];
  for (let own = Math.floor(Math.log10(low)); own <= Math.ceil(Math.log10(high)); own++) {
    for (const part of [1, 2, 5]) found.push(part * 10 ** own);
  }
  const inside = found.filter((own) => own >= low / 1.001 && own <= high * 1.001);
  return inside.length > 1 ? inside.slice(-7) : steps(low, high, 4);
}

class Scale {
  constructor(low, high, from, to, log = false) {
    const form = log ? Math.log : (own) => own;
    const start = form(low), length = form(high) - start || 1;
    this.at = (value) => from + ((form(value) - start) / length) * (to - from);
    this.back = (place) => start + ((place - from) / (to - from)) * length;
  }
}

// Curves: one figure that is drawn anew as points come

export class LinesFigure {
  constructor() {
    this.root = element("figure");
    this.title = element("h3");
    this.log = element("button", "quiet small", "log scale");
    this.log.type = "button";
    this.log.setAttribute("aria-pressed", "false");
    this.log.addEventListener("click", () => {
      const pressed = this.log.getAttribute("aria-pressed") !== "true";
      this.log.setAttribute("aria-pressed", String(pressed));
      this.draw();
    });
    this.legend = element("p", "legend");
    this.chart = shape("svg", { role: "img", height: HEIGHT });
    const head = element("div", "head");
    head.append(this.title, this.log);
    this.root.append(head, this.legend, this.chart);
    this.pointer = null;
    this.chart.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.chart.addEventListener("pointerleave", () => this.point(null));
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  show(panel) {
    this.panel = panel;
    this.series = panel.series.map((own) => ({ ...own, x: numbers(own.x), y: numbers(own.y) }));
    this.title.textContent = panel.title;
    const words = this.series.map((own, place) => element("span", `c${place % COLOURS} ${own.kind}`, own.label));
    this.legend.replaceChildren(...words.filter((_, place) => this.series[place].y.some(Number.isFinite)));
    this.draw();
  }

  draw() {
    const width = this.chart.clientWidth;
    if (!this.panel || !width) return;
    const { axes, levels } = this.panel;
    const lows = this.series.map((own) => own.y).concat([levels.map((own) => own.value)]);
    let [low, high] = span(lows);
    this.log.hidden = !(low > 0) || high / low < 2;
    const log = !this.log.hidden && this.log.getAttribute("aria-pressed") === "true";
    if (low === high) [low, high] = [low - (Math.abs(low) || 1) / 10, high + (Math.abs(high) || 1) / 10];
    if (!log) [low, high] = [low - (high - low) * 0.04, high + (high - low) * 0.04];
    let [first, last] = span(this.series.map((own) => own.x));
    if (first === last) [first, last] = [first - 1, last + 1];
    this.x = new Scale(first, last, LEFT, width - RIGHT);
    this.y = new Scale(low, high, HEIGHT - BOTTOM, TOP, log);
    this.chart.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.chart.setAttribute("aria-label", this.described());
    const parts = [];
    for (const tick of log ? powers(low, high) : steps(low, high, 6)) {
      const at = this.y.at(tick);
      parts.push(shape("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
      parts.push(shape("text", { x: LEFT - 8, y: at + 4, "text-anchor": "end" }, worded(tick)));
    }
    const whole = steps(first, last, Math.max(2, Math.min(8, width / 90))).filter(Number.isInteger);
    for (const tick of whole) {
      parts.push(shape("text", { x: this.x.at(tick), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, worded(tick, 6)));
    }
    this.readout = shape("text", { x: width - RIGHT, y: HEIGHT - 4, "text-anchor": "end" });
    parts.push(this.readout);
    for (const level of levels) {
      const at = this.y.at(level.value);
      parts.push(shape("line", { class: "level", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
      parts.push(shape("text", { x: width - RIGHT, y: at - 4, "text-anchor": "end" }, level.label));
    }
    this.series.forEach((own, place) => parts.push(...this.curve(own, place)));
    this.chart.replaceChildren(...parts);
    this.point(this.pointer);
  }

  curve(own, place) {
    const points = Array.from(own.x, (x, index) => [this.x.at(x), this.y.at(own.y[index])]);
    const good = points.map(([, y]) => Number.isFinite(y));
    const dots = own.kind === "points" || good.filter(Boolean).length === 1;
    const colour = `c${place % COLOURS}`;
    if (dots) {
      return points.filter((_, index) => good[index]).map(([cx, cy]) =>
        shape("circle", { class: `dot ${colour}`, cx, cy, r: 4 }));
    }
    let path = "", pen = "M";
    points.forEach(([x, y], index) => {
      if (good[index]) path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
      pen = good[index] ? "L" : "M";
    });
    return [shape("path", { class: `series ${colour} ${own.kind}`, d: path })];
  }

  point(offset) {
    this.pointer = offset;
    this.chart.querySelector(".cursor")?.remove();
    if (!this.x) return;
    const near = this.series.filter((own) => own.x.length).map((own) => nearest(own, this.x.back(offset ?? 0)));
    this.readout.textContent = this.panel.axes.x;
    if (offset === null || !near.length) return;
    const at = near[0].x, place = this.x.at(at);
    this.chart.append(shape("line", { class: "cursor", x1: place, x2: place, y1: TOP, y2: HEIGHT - BOTTOM }));
    const words = near.filter((own) => own.x === at && Number.isFinite(own.y)).map((own) => `${own.label} ${worded(own.y, 5)}`);
    this.readout.textContent = `epoch ${at}: ${words.join(", ")}`;
  }

  described() {
    const words = this.series.filter((own) => own.y.some(Number.isFinite)).map((own) => {
      const last = own.x.length - 1;
      return `${own.label}: ${worded(own.y[0])} to ${worded(own.y[last])} at epoch ${own.x[last]}`;
    });
    return `${this.panel.title}. ${words.join("; ")}`;
  }
}

function nearest(own, x) {
  let best = 0;
  own.x.forEach((value, index) => {
    if (Math.abs(value - x) < Math.abs(own.x[best] - x)) best = index;
  });
  return { label: own.label, x: own.x[best], y: own.y[best] };
}

// Small images: columns of them where rows have names, which then stay below each other

function tiles(panel) {
  const [count, height, width, colours = 1] = sizes(panel.images);
  const pixels = bytes(panel.images.uint8), size = height * width * colours;
  const sets = new Set(panel.rows).size || 1, across = panel.across;
  const root = element("div", "tiles");
  root.style.setProperty("--least", least(sets > 1 ? 5 : 3.6, width / height));
  const tile = (place) => {
    const figure = element("figure"), canvas = element("canvas");
    canvas.width = width;
    canvas.height = height;
    paint(canvas, pixels.subarray(place * size, (place + 1) * size), colours);
    figure.append(canvas);
    if (panel.captions.length) figure.append(name("figcaption", "", panel.captions[place] ?? ""));
    return figure;
  };
  for (let top = 0; top < count; top += sets * across) {
    for (let place = top; place < Math.min(count, top + across); place++) {
      const column = element("div");
      for (let set = 0; set < sets && place + set * across < count; set++) column.append(tile(place + set * across));
      if (pixels[place * size] || pixels.subarray(place * size, (place + 1) * size).some(Boolean)) root.append(column);
    }
  }
  if (sets === 1) return root;
  const both = element("div");
  both.append(element("p", "notes", `From top to bottom: ${[...new Set(panel.rows)].join(", ")}`), root);
  return both;
}

function least(size, aspect) {
  const own = size * Math.min(2.5, Math.max(1, aspect));
  return `min(${own}rem, ${4 * own}vw)`;
}

function paint(canvas, pixels, colours) {
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  for (let place = 0; place < canvas.width * canvas.height; place++) {
    for (let part = 0; part < 3; part++) {
      const own = pixels[place * colours + (colours === 3 ? part : 0)];
      image.data[4 * place + part] = ((own - 1) / 254) * 255;
      image.data[4 * place + 3] = own === 0 ? 0 : 255;
    }
  }
  context.putImageData(image, 0, 0);
}

function name(kind, classes, text) {
  const own = element(kind, classes), inner = element("bdi", "", text);
  own.title = text;
  own.append(inner);
  return own;
}

// Small plots

function profiles(panel) {
  const [sets, count, width] = sizes(panel.values), values = numbers(panel.values);
  const rowOf = (set, place) => values.slice((set * count + place) * width, (set * count + place + 1) * width);
  const root = element("div"), plots = element("div", "plots");
  plots.style.setProperty("--least", panel.bars ? "14rem" : count > 24 ? "min(8rem, 26vw)" : "min(11rem, 40vw)");
  if (sets > 1) root.append(legend(panel.labels));
  const common = panel.shared ? span([values]) : null;
  for (let place = 0; place < count; place++) {
    const rows = Array.from({ length: sets }, (_, set) => rowOf(set, place));
    const figure = element("figure", "plot");
    if (panel.captions.length) figure.append(name("figcaption", "", panel.captions[place]));
    const [low, high] = common ?? span(rows);
    figure.append(panel.bars ? bars(panel.names, rows, low, high) : curves(numbers(panel.x), rows, low, high));
    plots.append(figure);
  }
  root.append(plots);
  return root;
}

function legend(labels) {
  const own = element("p", "legend");
  own.append(...labels.map((label, place) => element("span", `c${place % COLOURS}`, label)));
  return own;
}

function curves(x, rows, low, high) {
  const across = new Scale(x[0], x[x.length - 1], 0, 100), up = new Scale(low, high, 59, 1);
  const own = shape("svg", { viewBox: "0 0 100 60", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (low < 0 && high > 0) own.append(shape("line", { class: "zero", x1: 0, x2: 100, y1: up.at(0), y2: up.at(0) }));
  rows.forEach((row, place) => {
    let path = "", pen = "M";
    row.forEach((value, index) => {
      if (Number.isFinite(value)) path += `${pen}${across.at(x[index]).toFixed(2)} ${up.at(value).toFixed(2)}`;
      pen = Number.isFinite(value) ? "L" : "M";
    });
    own.append(shape("path", { class: `c${place % COLOURS}`, d: path }));
  });
  return own;
}

function bars(names, rows, low, high) {
  const left = Math.min(0, low), right = Math.max(0, high), scale = new Scale(left, right, 0, 100);
  const root = element("div", "bars");
  names.forEach((own, column) => {
    const bar = shape("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" });
    const height = 8 / rows.length;
    rows.forEach((row, place) => {
      if (!Number.isFinite(row[column])) return;
      const ends = [scale.at(0), scale.at(row[column])].sort((a, b) => a - b);
      bar.append(shape("rect", { class: `c${place % COLOURS}`, x: ends[0], width: ends[1] - ends[0], y: 1 + place * height, height: height * 0.9 }));
    });
    bar.append(shape("line", { class: "zero", x1: scale.at(0), x2: scale.at(0), y1: 0, y2: 10 }));
    const label = element("bdi", "", own);
    label.title = own;
    root.append(label, bar);
  });
  return root;
}

// A picture with all that is said of it

export function picture(own) {
  const parts = [], head = element("div", "head");
  head.append(element("h2", "", own.title ?? ""), element("p", "soft", own.where));
  parts.push(head);
  if (own.problem) return [...parts, element("p", "notes", own.problem)];
  for (const panel of own.panels) {
    const figure = element("figure");
    figure.setAttribute("role", "img");
    figure.setAttribute("aria-label", own.description);
    if (panel.title) figure.append(element("h3", "", panel.title));
    figure.append(panel.kind_of === "Tiles" ? tiles(panel) : profiles(panel));
    parts.push(figure);
  }
  const scales = new Set(own.panels.map((panel) => panel.scale || axes(panel)));
  const said = [...scales, ...own.notes].filter(Boolean);
  parts.push(element("p", "notes", said.map((text) => text[0].toUpperCase() + text.slice(1)).join(". ") + (said.length ? "." : "")));
  return parts;
}

function axes(panel) {
  if (panel.kind_of !== "Profiles") return "";
  const scale = panel.shared ? "all on the same scale" : "each on a scale of its own";
  if (panel.bars) return `bars: ${panel.axes.y}, ${scale}`;
  const x = numbers(panel.x), ends = `from ${worded(x[0])} to ${worded(x[x.length - 1])}`;
  return `across: ${panel.axes.x} ${ends}; up: ${panel.axes.y}, ${scale}`;
}
