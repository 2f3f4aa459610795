// The table of answers: columns, order, and CSV. Text from files only ever becomes text.

const PREDICTION = /^prediction(_\d+)?$/;
const TEXTS = ["flags", "nearest"];

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function shown(value) {
  if (typeof value !== "number") return value ?? "–";
  const size = Math.abs(value);
  return size === 0 || (size >= 0.01 && size < 1000) ? value.toFixed(2) : String(Number(value.toPrecision(3)));
}

export const counted = (n, name) => `${n} ${name}${n === 1 ? "" : "s"}`;

export function percent(share) {
  return `${share < 0.1 ? (100 * share).toFixed(1) : (100 * share).toFixed(0)} %`;
}

export function formulaNodes(formula) {
  return formula.split(/(\d+(?:\.\d+)?)/).filter(Boolean).map((part) => (/^\d/.test(part) ? element("sub", {}, part) : part));
}

export function interval(values) {
  if (!("lower" in values)) return null;
  return values.lower === null || values.upper === null ? "unbounded" : `${shown(values.lower)} to ${shown(values.upper)}`;
}

// Known crystals stand as "formula (id, value); ...".
export function nearestOf(values) {
  const entries = (values.nearest ?? "").split("; ").map((entry) => entry.match(/^(\S+) \((.*), ([^,()]+)\)$/));
  return entries.every(Boolean) ? entries.map(([, formula, id, value]) => ({ formula, id, value: Number(value) })) : [];
}

function nearestCell(row) {
  const found = nearestOf(row.values);
  if (!found.length) return [row.values.nearest ?? ""];
  const whole = ({ formula, value }) => element("span", { className: "whole" }, ...formulaNodes(formula), ` ${shown(value)}`);
  return found.flatMap((crystal, k) => [k ? ", " : "", whole(crystal)]);
}

function columnsOf(rows, about) {
  const keys = new Set(rows.flatMap((row) => Object.keys(row.values ?? {})));
  const unit = about.unit ? ` (${about.unit})` : "";
  const predictions = [...keys].filter((key) => PREDICTION.test(key));
  return [
    { name: "File", order: (row) => row.file },
    { name: "Formula", kind: "formula", order: (row) => row.formula, cell: (row) => formulaNodes(row.formula ?? "") },
    ...predictions.map((key) => ({
      name: (predictions.length > 1 ? `${about.title} ${key.slice(11)}` : about.title) + unit,
      kind: "number",
      order: (row) => row.values[key],
      cell: (row) => [shown(row.values[key])],
    })),
    keys.has("lower") && {
      name: "90 % interval",
      kind: "number",
      order: (row) => (row.values.lower === null ? Infinity : row.values.upper - row.values.lower),
      cell: (row) => [interval(row.values)],
    },
    keys.has("flags") && {
      name: "Reasons to doubt",
      order: (row) => row.values.flags,
      cell: (row) => [row.values.flags ? element("span", { className: "doubt" }, row.values.flags) : "none"],
    },
    keys.has("nearest") && {
      name: "Nearest known crystals",
      kind: "nearest",
      order: (row) => row.values.nearest,
      cell: nearestCell,
    },
  ].filter(Boolean);
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a ?? "").localeCompare(String(b ?? ""), "en", { numeric: true });
}

export class AnswerTable {
  constructor(table, choose) {
    this.table = table;
    this.choose = choose;
    this.rows = [];
    this.about = { title: "Prediction", unit: "" };
    this.sorted = { name: null, sign: 1 };
    this.chosen = null;
    this.waiting = false;
  }

  add(row) {
    this.rows.push(row);
    this.drawSoon();
  }

  clear() {
    this.rows = [];
    this.chosen = null;
    this.draw();
  }

  // The more rows there are, the longer the browser takes to lay them out, and the more come at a time.
  drawSoon() {
    if (this.waiting) return;
    this.waiting = true;
    setTimeout(() => {
      this.waiting = false;
      this.draw();
    }, this.rows.length);
  }

  mark(row) {
    this.chosen = row;
    for (const other of this.rows) other.line?.classList.toggle("chosen", other === row);
  }

  // Rows without an answer come last, whatever the order.
  ordered() {
    const column = this.columns.find(({ name }) => name === this.sorted.name);
    if (!column) return this.rows;
    const known = this.rows.filter((row) => row.values);
    known.sort((a, b) => this.sorted.sign * compare(column.order(a), column.order(b)));
    return [...known, ...this.rows.filter((row) => !row.values)];
  }

  draw() {
    this.columns = columnsOf(this.rows, this.about);
    const names = JSON.stringify(this.columns.map(({ name }) => name));
    if (names !== this.names) {
      this.names = names;
      for (const row of this.rows) row.line = null;
      this.table.tHead.replaceChildren(element("tr", {}, ...this.columns.map((column) => this.header(column))));
    }
    for (const row of this.rows) row.line ??= this.line(row);
    const lines = this.ordered().map((row) => row.line);
    const body = this.table.tBodies[0];
    const unchanged = body.children.length <= lines.length && [...body.children].every((line, k) => line === lines[k]);
    if (unchanged) body.append(...lines.slice(body.children.length));
    else this.keepingFocus(() => body.replaceChildren(...lines));
  }

  keepingFocus(change) {
    const focused = document.activeElement;
    change();
    if (focused?.isConnected) focused.focus({ preventScroll: true });
  }

  header(column) {
    const sort = element("button", { type: "button" }, column.name);
    const cell = element("th", { scope: "col", className: column.kind ?? "" }, sort);
    cell.setAttribute("aria-sort", column.name === this.sorted.name ? this.direction() : "none");
    sort.addEventListener("click", () => {
      const again = this.sorted.name === column.name;
      this.sorted = { name: column.name, sign: again ? -this.sorted.sign : 1 };
      for (const other of this.table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
      cell.setAttribute("aria-sort", this.direction());
      this.draw();
    });
    return cell;
  }

  direction() {
    return this.sorted.sign > 0 ? "ascending" : "descending";
  }

  line(row) {
    const first = element("th", { scope: "row" });
    const line = element("tr", {}, first);
    if (!row.values) {
      first.append(row.file);
      if (row.formula) line.append(element("td", { className: "formula" }, ...formulaNodes(row.formula)));
      const width = this.columns.length - line.cells.length;
      line.append(element("td", { colSpan: width, className: "doubt" }, row.reason));
      return line;
    }
    const open = element("button", { type: "button" }, row.file);
    open.addEventListener("click", () => this.choose(row));
    first.append(open);
    for (const { name, kind = "", cell } of this.columns.slice(1)) {
      const made = element("td", { className: kind }, ...cell(row));
      made.dataset.name = name; // what stands before it in a narrow window
      line.append(made);
    }
    line.classList.toggle("chosen", row === this.chosen);
    return line;
  }

  csv() {
    const keys = [...new Set(this.rows.flatMap((row) => Object.keys(row.values ?? {})))];
    const names = ["file", "formula", ...keys.filter((key) => !TEXTS.includes(key)), ...TEXTS.filter((key) => keys.includes(key)), "reason"];
    const lines = this.ordered().map((row) => names.map((name) => row[name] ?? row.values?.[name] ?? ""));
    return `\ufeff${[names, ...lines].map((line) => line.map(csvCell).join(",")).join("\r\n")}\r\n`;
  }
}

// What a spreadsheet would take for a formula gets an apostrophe in front, also where it begins a cell at a semicolon.
function csvCell(value) {
  if (typeof value === "number") return String(value);
  const text = String(value).replaceAll(/\s+/g, " ").replaceAll(/(^|;)(?=[ "]*[=+\-@＝＋－＠])/g, "$1'");
  return /[",;]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
