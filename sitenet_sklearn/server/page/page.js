// Files in, answers out: what the page does with files, progress, and the crystal that is looked at.

import { AnswerTable, counted, element, formulaNodes, interval, nearestOf, percent, shown } from "./table.js";
import { Picture, shellsOf } from "./picture.js";

const $ = (id) => document.getElementById(id);
const EXAMPLE = `NaCl
1.0
0.0 2.845 2.845
2.845 0.0 2.845
2.845 2.845 0.0
Na Cl
1 1
direct
0 0 0
0.5 0.5 0.5
`;
const NO_ANSWER = "no answer: is sitenet serve still running?";
const LOST = "the answer was lost: drop the file once more";
const MANY = 8;

const table = new AnswerTable($("table"), look);
const picture = new Picture($("picture"), $("legend"));
let about = { limits: { file: Infinity, upload: Infinity, files: Infinity } };
let queue = [];
let taken = 0;
let total = 0;
let done = 0;
let running = null;

function say(text) {
  $("status").textContent = text;
}

function add(row) {
  $("found").hidden = false;
  table.add(row);
}

const refuse = (file, reason) => add({ file, formula: null, reason });

// Sending

function take(files) {
  if (!files.length) return;
  const room = Math.max(0, about.limits.files - taken);
  const fitting = files.slice(0, room);
  taken += fitting.length;
  total = fitting.length + (running ? total : 0);
  queue.push(...fitting);
  if (files.length > room) {
    refuse(counted(files.length - room, "more file"), `the page takes at most ${about.limits.files} files: clear it first, or send a zip`);
  }
  if (running) progress();
  else if (queue.length) run();
}

async function run() {
  running = new AbortController();
  done = 0;
  let lost = false;
  say("Working.");
  progress();
  while (queue.length && !running.signal.aborted) {
    const { name, file } = queue.shift();
    if (lost) refuse(name, NO_ANSWER);
    else lost = !(await send(name, file, running.signal));
    if (!running.signal.aborted) done += 1;
    progress();
  }
  table.draw();
  const failed = table.rows.filter((row) => !row.values).length;
  const counts = `${counted(table.rows.length - failed, "answer")}${failed ? `, ${failed} without one: the table says why` : ""}`;
  say(done < total ? `Cancelled, ${counted(total - done, "file")} left out. ${counts}.` : `Done: ${counts}.`);
  taken = Math.max(0, taken - (total - done));
  queue = [];
  running = null;
  progress();
}

function progress() {
  $("working").hidden = !running;
  $("bar").max = Math.max(1, total);
  $("bar").value = done;
  $("counted").textContent = `${done} of ${counted(total, "file")}`;
}

// Whether the server is there: a file that fails is a row.
async function send(name, file, signal) {
  const limit = name.toLowerCase().endsWith(".zip") ? about.limits.upload : about.limits.file;
  if (file.size > limit) {
    refuse(name, `the file is larger than ${limit / 2 ** 20} MiB: keep only the crystal, or divide the zip`);
    return true;
  }
  let body;
  try {
    body = await file.arrayBuffer();
  } catch {
    refuse(name, "the browser cannot read it: is it a folder, or was it moved?");
    return true;
  }
  let rows = 0;
  let ended = false;
  try {
    const options = { method: "POST", body, signal, headers: { "Content-Type": "application/octet-stream" } };
    const address = `answers?name=${encodeURIComponent(name.toWellFormed?.() ?? name)}`;
    const response = await fetch(address, options);
    if (!response.ok) {
      refuse(name, await response.text());
      return true;
    }
    for await (const line of lines(response.body)) {
      const row = JSON.parse(line);
      ended = row.end ?? false;
      if (ended) break;
      add(row);
      rows += 1;
    }
  } catch {
    ended = signal.aborted;
  }
  if (ended) return true;
  const there = await isThere();
  const reason = there ? LOST : NO_ANSWER;
  refuse(name, rows ? `after ${counted(rows, "answer")}: ${reason}` : reason);
  return there;
}

async function isThere() {
  try {
    return (await fetch("about")).ok;
  } catch {
    return false;
  }
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const found = (rest + part.value).split("\n");
    rest = found.pop();
    yield* found;
  }
}

// Dropping and choosing

const named = (files) => [...files].map((file) => ({ name: file.webkitRelativePath || file.name, file }));

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return named(transfer.files);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ name: entry.fullPath.slice(1), file });
    return;
  }
  const reader = entry.createReader();
  const part = () => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
  for (let entries = await part(); entries.length; entries = await part()) {
    for (const inner of entries) await walk(inner, found);
  }
}

for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) $("drop").classList.remove("over");
});
document.addEventListener("drop", async (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  try {
    take(await dropped(event.dataTransfer));
  } catch (error) {
    refuse("folder", `the browser cannot read it: ${error.message}`);
  }
});
$("choose").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", (event) => {
  take(named(event.target.files));
  event.target.value = "";
});
$("example").addEventListener("click", () => take(named([new File([EXAMPLE], "NaCl.vasp")])));
$("cancel").addEventListener("click", () => running?.abort());

// Saving and clearing

$("save").addEventListener("click", () => {
  const address = URL.createObjectURL(new Blob([table.csv()], { type: "text/csv;charset=utf-8" }));
  element("a", { href: address, download: `${about.title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  say(`Saved ${counted(table.rows.length, "row")}.`);
});
$("clear").addEventListener("click", () => {
  running?.abort();
  queue = [];
  taken = 0;
  table.clear();
  $("detail").hidden = $("found").hidden = true;
  say("Cleared.");
  $("choose").focus();
});

// Looking at one crystal

function look(row) {
  table.mark(row);
  $("detail").hidden = false;
  $("crystal").replaceChildren(...formulaNodes(row.formula));
  $("facts").replaceChildren(...factsOf(row).flatMap(fact));
  $("not-drawn").textContent = row.not_drawn ?? "";
  $("sites").hidden = !row.sites;
  if (row.sites) {
    const radios = row.sites.map((kind, k) => kindLine(row, kind, k));
    $("kinds").tBodies[0].replaceChildren(...radios);
    from(row, row.sites[0]);
  }
  $("crystal").focus();
}

function factsOf(row) {
  const { flags, nearest, lower, upper, prediction, std, probability_above_0: chance, novelty, ...others } = row.values;
  const unit = about.unit ? ` ${about.unit}` : "";
  const known = nearestOf(row.values);
  return [
    prediction !== undefined && [about.title, `${shown(prediction)}${typeof prediction === "number" ? unit : ""}`, "value"],
    lower !== undefined && ["90 % interval", `${interval(row.values)}${unit}`],
    chance !== undefined && ["Probability of a value above 0", percent(chance)],
    std !== undefined && ["Spread of the networks", `${shown(std)}${unit}`],
    novelty !== undefined && ["Novelty", `${percent(novelty / 100)} of other crystals are nearer to those that the network learned from`],
    ...Object.entries(others).map(([name, value]) => [name.replaceAll("_", " "), shown(value)]),
    flags !== undefined && ["Reasons to doubt", flags || "none", flags ? "doubt" : ""],
    nearest && ["Nearest known crystals", known.length ? known.map((crystal) => nearestLine(crystal, unit)) : nearest],
    row.notes.length && ["Notes of the reader", row.notes.join(" ")],
    ["File", row.file],
  ].filter(Boolean);
}

const nearestLine = ({ formula, id, value }, unit) => element("div", {}, ...formulaNodes(formula), ` ${shown(value)}${unit}, `, element("span", { className: "whole" }, id));

const fact = ([name, content, kind = ""]) => [
  element("dt", { className: kind }, name),
  element("dd", { className: kind }, ...[content].flat()),
];

function kindLine(row, kind, k) {
  const radio = element("input", { type: "radio", name: "kind", checked: k === 0 });
  radio.addEventListener("change", () => from(row, kind));
  const name = element("th", { scope: "row" }, element("label", {}, radio, ` ${kind.element}`));
  const numbers = [String(kind.count), kind.received.toFixed(2)];
  return element("tr", {}, name, ...numbers.map((text) => element("td", { className: "number" }, text)));
}

function from(row, kind) {
  picture.show(kind, [...new Set(row.sites.map((other) => other.element))]);
  $("caption").textContent = `${kind.element} and the ${counted(kind.neighbors.length, "neighbour")} it attends to most. Thicker lines are more attention. To itself: ${percent(kind.itself)}.`;
  const strongest = shellsOf(kind.neighbors).slice(0, MANY);
  const cells = ({ distance, count, share }) => [distance.toFixed(2), String(count), percent(share)].map((text) => element("td", { className: "number" }, text));
  const rows = strongest.map((shell) => element("tr", {}, element("th", { scope: "row" }, shell.name), ...cells(shell)));
  $("neighbors").tBodies[0].replaceChildren(...rows);
  const [first] = strongest;
  const most = first ? `: most of it to ${first.count} ${first.name} at ${first.distance.toFixed(2)} Å, ${percent(first.share)}` : "";
  $("picture").setAttribute("aria-label", `Picture of the attention that ${kind.element} pays to its surroundings${most}`);
}

$("close").addEventListener("click", () => {
  $("detail").hidden = true;
  const { chosen } = table;
  table.mark(null);
  chosen?.line?.querySelector("button")?.focus();
});

// Beginning

try {
  about = await (await fetch("about")).json();
  table.about = about;
  document.title = `${about.title} · Site-Net`;
  $("title").textContent = `${about.title} of crystals`;
  $("what").textContent = about.what ? `Site-Net predicts the ${about.what}.` : "Site-Net predicts it from the structure.";
  const warnings = [...about.failures, ...about.unfit.map((use) => `do not use it for ${use}`)];
  $("doubts").replaceChildren(...warnings.map((text) => element("li", {}, text)));
  $("limits").hidden = !warnings.length;
  table.draw();
} catch {
  say(NO_ANSWER);
}
