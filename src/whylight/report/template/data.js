// The rows, what is true of all of them, and which of them a view shows.

const PAGE_SIZE = 60;
const IMAGE = 1; // bits of a row's thumbnails
const OVERLAY = 2;

const facts = JSON.parse(document.getElementById("facts").textContent);
const rows = JSON.parse(document.getElementById("rows").textContent).map(
  ([image, overlay, thumbnails, truth, predicted, explained, confidence, error, copies = null], index) => ({
    index,
    number: index + 1,
    image,
    overlay,
    thumbnails,
    truth,
    predicted,
    explained,
    confidence,
    error,
    copies, // of the image and of the overlay, as URLs, in a page that has them inside
    result: truth === null || predicted === null ? "" : truth === predicted ? "right" : "wrong",
  }),
);

const truths = occurring("truth");
const predictions = occurring("predicted");
const confidences = rows.map((row) => row.confidence).filter((value) => value !== null);
const areProbabilities = confidences.every((value) => value >= 0 && value <= 1);
const confidenceUnit = areProbabilities ? 100 : 1; // of what is typed into the filter

function occurring(key) {
  return [...new Set(rows.map((row) => row[key]))].filter((value) => value !== null).sort((a, b) => a - b);
}

function className(index) {
  return facts.names[index] || String(index);
}

/** The first of a name's synonyms, where that tells the class from all others. */
const shortName = (() => {
  const firsts = facts.names.map((name) => name.split(",")[0]);
  const times = new Map();
  for (const first of firsts) times.set(first, (times.get(first) ?? 0) + 1);
  return (index) => (times.get(firsts[index]) === 1 && firsts[index]) || className(index);
})();

/** How often a class was predicted for a truth: (truth, predicted) => count. */
const confusionCount = (() => {
  const counts = new Map(facts.confusions.map(([truth, predicted, count]) => [`${truth},${predicted}`, count]));
  return (truth, predicted) => counts.get(`${truth},${predicted}`) ?? 0;
})();

/** The classes that occur as truth, with how many images they have and how many of these are right. */
function classCounts() {
  const counts = new Map();
  for (const [truth, predicted, count] of facts.confusions) {
    const sums = counts.get(truth) ?? { index: truth, images: 0, right: 0 };
    sums.images += count;
    if (truth === predicted) sums.right += count;
    counts.set(truth, sums);
  }
  return [...counts.values()];
}

// ---- the view, as the URL's hash holds it

const EVERYTHING = { result: "", truth: "", predicted: "", from: "", to: "", sort: "row", page: 1, image: 0 };
const ALLOWED = {
  result: /^(right|wrong|error)$/,
  truth: /^\d{1,9}$/,
  predicted: /^\d{1,9}$/,
  from: /^-?\d+(\.\d+)?$/,
  to: /^-?\d+(\.\d+)?$/,
  sort: /^(confident|unsure|class)$/,
  page: /^[1-9]\d{0,8}$/,
  image: /^[1-9]\d{0,8}$/,
};

function viewOf(hash) {
  const view = { ...EVERYTHING };
  for (const [key, value] of new URLSearchParams(hash.slice(1))) {
    if (Object.hasOwn(ALLOWED, key) && ALLOWED[key].test(value))
      view[key] = typeof view[key] === "number" ? Number(value) : value;
  }
  return view;
}

function hashOf(view) {
  const changed = Object.entries(view).filter(([key, value]) => String(value) !== String(EVERYTHING[key]));
  return `#${new URLSearchParams(changed)}`;
}

// ---- which rows, in which order

const ORDERS = {
  row: () => 0,
  confident: (a, b) => (b.confidence ?? -Infinity) - (a.confidence ?? -Infinity) || 0,
  unsure: (a, b) => (a.confidence ?? Infinity) - (b.confidence ?? Infinity) || 0,
  class: (a, b) => (a.truth ?? a.predicted ?? Infinity) - (b.truth ?? b.predicted ?? Infinity) || 0,
};

function selected(view) {
  const truth = view.truth && Number(view.truth);
  const predicted = view.predicted && Number(view.predicted);
  const from = view.from && Number(view.from) / confidenceUnit;
  const to = view.to && Number(view.to) / confidenceUnit;
  return rows
    .filter(
      (row) =>
        (view.result === "" || (view.result === "error" ? row.error !== "" : row.result === view.result)) &&
        (truth === "" || row.truth === truth) &&
        (predicted === "" || row.predicted === predicted) &&
        (from === "" || (row.confidence !== null && row.confidence >= from)) &&
        (to === "" || (row.confidence !== null && row.confidence <= to)),
    )
    .sort(ORDERS[view.sort]);
}
