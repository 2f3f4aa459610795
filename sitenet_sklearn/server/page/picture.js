// One site and what surrounds it, drawn so that thicker lines are more attention; it can be turned.

const STEP = 0.12;
const COLORS = 8;
const SAME = 0.01;

function svg(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const at = (value) => value.toFixed(2);

const line = ({ x, y, share }) => svg("line", { x1: 0, y1: 0, x2: at(x), y2: at(y), "stroke-width": at(share && 0.15 + 4.5 * share) });

// Neighbours of one element at one distance. What is nearer to each other than SAME is one distance, and no two look the same.
export function shellsOf(neighbors) {
  const shells = [];
  for (const [name, x, y, z, share] of neighbors) {
    const distance = Math.hypot(x, y, z);
    let shell = shells.find((other) => other.name === name && Math.abs(other.distance - distance) < SAME);
    if (!shell) shells.push((shell = { name, distance, count: 0, share: 0 }));
    shell.count += 1;
    shell.share += share;
  }
  return shells.sort((a, b) => b.share - a.share);
}

export class Picture {
  constructor(canvas, legend) {
    this.canvas = canvas;
    this.legend = legend;
    this.turned = [0.5, -0.35];
    canvas.addEventListener("keydown", (event) => {
      const turn = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
      if (!turn) return;
      event.preventDefault();
      this.turn(...turn);
    });
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) this.turn(event.movementX / 100, event.movementY / 100);
    });
  }

  show(kind, elements) {
    this.kind = kind;
    this.colors = new Map(elements.map((name, k) => [name, `e${k % COLORS}`]));
    const items = elements.map((name) => {
      const item = document.createElement("li");
      item.append(svg("svg", { viewBox: "-1 -1 2 2", "aria-hidden": "true" }, svg("circle", { r: 1, class: this.colors.get(name) })), name);
      return item;
    });
    this.legend.replaceChildren(...items);
    this.draw();
  }

  turn(x, y) {
    this.turned[0] += x;
    this.turned[1] += y;
    this.draw();
  }

  draw() {
    const [[a, b], [c, d]] = this.turned.map((angle) => [Math.cos(angle), Math.sin(angle)]);
    const { element, neighbors } = this.kind;
    const reach = Math.max(1, ...neighbors.map(([, x, y, z]) => Math.hypot(x, y, z)));
    const most = Math.max(...neighbors.map(([, , , , share]) => share), 1e-9);
    const points = neighbors.map(([name, x, y, z, share]) => {
      const across = a * x + b * y;
      const deep = a * y - b * x;
      return { name, x: (88 * across) / reach, y: (88 * (d * deep - c * z)) / reach, depth: -(c * deep + d * z) / reach, share: share / most };
    });
    points.push({ name: element, x: 0, y: 0, depth: 0, share: 0, centre: true });
    points.sort((one, other) => one.depth - other.depth);
    this.canvas.replaceChildren(...points.map(line), ...points.flatMap((point) => this.site(point)));
  }

  site({ name, x, y, depth, centre }) {
    const r = (centre ? 7.5 : 5.5) * (1 + 0.25 * depth);
    const kind = `${this.colors.get(name)}${centre ? " centre" : ""}`;
    return [
      svg("circle", { cx: at(x), cy: at(y), r: at(r), class: kind }),
      svg("text", { x: at(x), y: at(y), "font-size": at(r * 0.95) }, name),
    ];
  }
}
