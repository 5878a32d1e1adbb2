// The page itself: what the view in the URL's hash asks for is drawn, and every control is a new hash.

const MATRIX_CLASSES = 40; // more make a list instead of a matrix
const CONFUSIONS = 100;
const THUMBNAIL_SIZE = 96;
const ROWS_A_FOLDER = 1000;

const place = (id) => document.getElementById(id);
let view = EVERYTHING;
let shown = []; // the rows of the view, all pages
let openedHere = false; // the entry before this one in the history is the view without the image

/** An element with the attributes and children that are not null; strings become text, never markup. */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

function link(changes, attributes, ...children) {
  return element("a", { href: hashOf({ ...EVERYTHING, ...changes }), ...attributes }, ...children);
}

function share(value) {
  return `--share: ${value.toFixed(4)}`;
}

// ---- what all overlays explain

function drawExplained() {
  const { by } = facts;
  place("explained").hidden = by === null;
  if (by === null) return;
  const parts = [
    text(`all_${by.origin}`),
    text("method", by),
    by.layer && text("layer", by),
    by.model && text("model", by),
    text(`score_${by.score}`),
  ];
  place("explained").textContent = parts.filter(Boolean).join(" · ");
}

/** The explained class, and whether it is the label or the predicted one. */
function explainedClass(row) {
  const origins = [row.explained === row.truth && "label", row.explained === row.predicted && "predicted"].filter(Boolean);
  const said = (origins.length ? origins : ["asked"]).map((origin) => text(`origin_${origin}`));
  return `${className(row.explained)} (${said.join(", ")})`;
}

// ---- counts

function drawCounts() {
  const right = rows.filter((row) => row.result === "right").length;
  const wrong = rows.filter((row) => row.result === "wrong").length;
  const isJudged = right + wrong > 0;
  const counts = [
    isJudged && [wrong ? "accuracy" : "agreement", percent(right / (right + wrong)), null],
    ["count_rows", number(rows.length), {}],
    ["count_explained", number(facts.explained), null],
    isJudged && ["count_right", number(right), { result: "right" }],
    isJudged && ["count_wrong", number(wrong), wrong > 0 ? { result: "wrong" } : null],
    facts.errors && ["count_errors", number(facts.errors), { result: "error" }],
  ].filter(Boolean);
  place("counts").replaceChildren(
    ...counts.map(([key, value, target]) =>
      element(
        "div",
        { class: key },
        element("dt", {}, text(key)),
        element("dd", {}, target ? link(target, {}, value) : value),
      ),
    ),
  );
  place("overview").hidden = !isJudged;
  const totals = { "": rows.length, right, wrong, error: facts.errors };
  for (const input of place("results").querySelectorAll("input")) {
    input.closest("label").hidden =
      input.value !== "" && totals[input.value] === 0 && (input.value === "error" || !isJudged);
    input.parentElement.querySelector("small").textContent = number(totals[input.value]);
  }
  place("results").hidden = !isJudged && !facts.errors;
}

// ---- classes: the matrix or, for many classes, a list; and the confusions

function drawOverview() {
  const classes = [...new Set([...truths, ...predictions])].sort((a, b) => a - b);
  const isMatrix = classes.length <= MATRIX_CLASSES;
  place("overview-title").textContent = text(isMatrix ? "matrix" : "class_table");
  place("overview-hint").textContent = text(isMatrix ? "matrix_hint" : "class_table_hint");
  place("classes").replaceChildren(isMatrix ? matrix(classes) : classTable());
  place("confusions").replaceChildren(confusionList());
}

function matrix(classes) {
  const most = Math.max(
    1,
    ...facts.confusions.filter(([truth, predicted]) => truth !== predicted).map((item) => item[2]),
  );
  const totals = new Map(classCounts().map((counts) => [counts.index, counts.images]));
  const isShort = classes.every((index) => shortName(index).length <= 3);
  const cell = (truth, predicted) => {
    const count = confusionCount(truth, predicted);
    if (count === 0) return element("td");
    const isRight = truth === predicted;
    const values = { truth: className(truth), predicted: className(predicted), count: number(count) };
    const label = text("cell", values);
    return element(
      "td",
      {
        class: isRight ? "right" : "wrong",
        style: share(isRight ? count / totals.get(truth) : Math.sqrt(count / most)),
      },
      link({ truth, predicted }, { "aria-label": label, title: label }, number(count)),
    );
  };
  const heading = (key, index, scope) =>
    element(
      "th",
      { scope },
      link({ [key]: index }, { title: className(index) }, element("span", {}, shortName(index))),
    );
  return element(
    "table",
    {
      class: isShort ? "matrix" : "matrix named",
      "aria-labelledby": "overview-title",
      style: `--classes: ${classes.length}`,
    },
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("td"),
        element("th", { scope: "colgroup", colspan: classes.length }, element("span", {}, text("predicted"))),
      ),
      element(
        "tr",
        {},
        element("th", { class: "axis" }, text("truth")),
        ...classes.map((index) => heading("predicted", index, "col")),
      ),
    ),
    element(
      "tbody",
      {},
      ...classes.map((truth) =>
        element("tr", {}, heading("truth", truth, "row"), ...classes.map((predicted) => cell(truth, predicted))),
      ),
    ),
  );
}

function classTable() {
  const classes = classCounts().sort(
    (a, b) => a.right / a.images - b.right / b.images || b.images - a.images || a.index - b.index,
  );
  const headings = ["class", "count_rows", "count_right", "accuracy"];
  return element(
    "table",
    { class: "list", "aria-labelledby": "overview-title" },
    element("thead", {}, element("tr", {}, ...headings.map((key) => element("th", { scope: "col" }, text(key))))),
    element(
      "tbody",
      {},
      ...classes.map(({ index, images, right }) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, link({ truth: index }, { title: className(index) }, shortName(index))),
          element("td", {}, number(images)),
          element("td", {}, number(right)),
          element("td", {}, percent(right / images)),
        ),
      ),
    ),
  );
}

function confusionList() {
  const confusions = facts.confusions.filter(([truth, predicted]) => truth !== predicted).slice(0, CONFUSIONS);
  if (confusions.length === 0) return element("p", { class: "hint" }, text("no_confusions"));
  const most = confusions[0][2];
  return element(
    "ol",
    { class: "pairs" },
    ...confusions.map(([truth, predicted, count]) => {
      const names = { truth: className(truth), predicted: className(predicted) };
      return element(
        "li",
        { style: share(count / most) },
        link(
          { truth, predicted },
          { title: text("confusion", names) },
          element("span", {}, shortName(truth)),
          element("i", {}, "→"),
          element("span", {}, shortName(predicted)),
          element("b", {}, number(count)),
        ),
      );
    }),
  );
}

// ---- filters

function drawChoices() {
  for (const [name, classes] of Object.entries({ truth: truths, predicted: predictions })) {
    const select = place("filters").elements[name];
    const options = classes.map((index) => element("option", { value: index }, className(index)));
    select.replaceChildren(element("option", { value: "" }, text("any")), ...options);
    select.parentElement.hidden = classes.length === 0;
  }
  place("confidence").hidden = confidences.length === 0;
  place("unit").hidden = !areProbabilities;
  for (const option of place("filters").elements.sort.options) {
    option.hidden =
      option.value === "class"
        ? truths.length + predictions.length === 0
        : option.value !== "row" && confidences.length === 0;
  }
}

function drawFilters() {
  for (const name of ["truth", "predicted", "from", "to", "sort"]) place("filters").elements[name].value = view[name];
  for (const radio of place("filters").elements.result) radio.checked = radio.value === view.result;
  place("clear").href = hashOf({ ...EVERYTHING, sort: view.sort });
  place("clear").hidden = !["result", "truth", "predicted", "from", "to"].some((name) => view[name] !== "");
  const values = { shown: number(shown.length), all: number(rows.length) };
  place("shown").textContent = text(shown.length === rows.length ? "shown_all" : "shown", values);
  for (const anchor of place("overview").querySelectorAll("a")) {
    const { truth, predicted } = viewOf(anchor.hash);
    const isCurrent = truth === view.truth && predicted === view.predicted;
    if (isCurrent) anchor.setAttribute("aria-current", "true");
    else anchor.removeAttribute("aria-current");
  }
}

// ---- cards

function thumbnail(row, kind) {
  if (row.copies) return row.copies[kind === IMAGE ? 0 : 1];
  const folder = String(Math.floor(row.index / ROWS_A_FOLDER)).padStart(4, "0");
  return `${facts.files}/${folder}/${row.index}${kind === OVERLAY ? "_overlay" : ""}.webp`;
}

function fileName(url) {
  return decodeURIComponent(url.split("/").at(-1));
}

function picture(row, kind, source, attributes) {
  if (!(row.thumbnails & kind)) {
    return element("span", { class: "missing" }, text(kind === IMAGE ? "no_image" : "no_overlay"));
  }
  if (source === null) return element("span", { class: "missing" }, text("left_out"));
  const alt = kind === IMAGE ? `${text("image")}: ${fileName(row.image)}` : text("overlay");
  return element("img", { src: source, alt, ...attributes });
}

function mark(row) {
  if (row.error) return element("b", { class: "mark", role: "img", "aria-label": text("error") }, "!");
  if (row.result === "") return null;
  return element(
    "b",
    { class: "mark", role: "img", "aria-label": text(row.result) },
    row.result === "right" ? "✓" : "✕",
  );
}

function decision(row) {
  const classes = [row.truth, row.result === "right" ? null : row.predicted].filter((index) => index !== null);
  const names = classes.map((index) => element("span", { title: className(index) }, shortName(index)));
  if (names.length === 2) names[1].prepend(element("i", {}, "→ "));
  return names.length ? names : [element("span", {}, row.image ? fileName(row.image) : "")];
}

/** What the overlay explains, where that is not the one class that the card names. */
function mapOf(row) {
  const isOnlyOne = row.explained === row.predicted && (row.truth === null || row.truth === row.predicted);
  if (row.explained === null || row.overlay === null || isOnlyOne) return null;
  const named = text("map_of", { explained: explainedClass(row) });
  return element("span", { class: "explained", title: named }, text("map_of", { explained: shortName(row.explained) }));
}

function confidence(row) {
  if (row.confidence === null) return "";
  return areProbabilities ? percent(row.confidence) : number(row.confidence);
}

function card(row) {
  const size = { width: THUMBNAIL_SIZE, height: THUMBNAIL_SIZE, loading: "lazy", decoding: "async" };
  const hasBar = row.confidence !== null && areProbabilities;
  return element(
    "li",
    {},
    element(
      "a",
      {
        class: `card ${row.error ? "error" : row.result}`,
        href: hashOf({ ...view, image: row.number }),
        title: row.error || null,
        style: hasBar ? share(row.confidence) : null,
      },
      element(
        "span",
        { class: "pair" },
        ...[IMAGE, OVERLAY].map((kind) => picture(row, kind, thumbnail(row, kind), size)),
      ),
      element("span", { class: hasBar ? "bar" : "bar empty" }),
      element("span", { class: "decision" }, mark(row), element("span", { class: "names" }, ...decision(row))),
      mapOf(row),
      element("small", {}, element("span", {}, text("row", { row: row.number })), element("span", {}, confidence(row))),
      row.error ? element("small", { class: "problem" }, row.error) : null,
    ),
  );
}

function drawCards() {
  const pages = Math.max(1, Math.ceil(shown.length / PAGE_SIZE));
  const page = Math.min(view.page, pages);
  place("cards").replaceChildren(...shown.slice((page - 1) * PAGE_SIZE, page * PAGE_SIZE).map(card));
  place("none").hidden = shown.length > 0;
  place("none").textContent = text(rows.length === 0 ? "empty" : "none");
  place("pages").hidden = pages === 1;
  place("pages").replaceChildren(...pageLinks(page, pages));
}

function pageLinks(page, pages) {
  const step = (target, key, rel) =>
    target < 1 || target > pages
      ? element("span", { class: "step" }, text(key))
      : element("a", { class: "step", rel, href: hashOf({ ...view, page: target, image: 0 }) }, text(key));
  const numbers = [...new Set([1, page - 1, page, page + 1, pages])].filter((target) => target >= 1 && target <= pages);
  const links = numbers.flatMap((target, index) => [
    index > 0 && target > numbers[index - 1] + 1 ? element("span", {}, "…") : null,
    element(
      "a",
      {
        href: hashOf({ ...view, page: target, image: 0 }),
        "aria-label": text("page", { page: number(target) }),
        "aria-current": target === page ? "page" : null,
      },
      number(target),
    ),
  ]);
  return [step(page - 1, "page_before", "prev"), ...links.filter(Boolean), step(page + 1, "page_after", "next")];
}

// ---- one image, large

function figure(row, kind) {
  const url = kind === IMAGE ? row.image : row.overlay;
  const isNamed = kind === OVERLAY && row.explained !== null;
  const explained = isNamed && explainedClass(row);
  const caption = isNamed ? text("overlay_of", { explained }) : text(kind === IMAGE ? "image" : "overlay");
  if (row.copies) {
    const name = url === null ? "" : ` ${fileName(url)}`;
    return element("figure", {}, picture(row, kind, thumbnail(row, kind), {}), element("figcaption", {}, caption, name));
  }
  const image = picture(row, kind, url, {});
  // a format that browsers do not know, TIFF or DICOM, is shown by its thumbnail
  image.addEventListener("error", () => (image.src = thumbnail(row, kind)), { once: true });
  const target = { href: url, target: "_blank", rel: "noopener" };
  if (url === null) return element("figure", {}, image, element("figcaption", {}, caption));
  return element(
    "figure",
    {},
    row.thumbnails & kind ? element("a", target, image) : image,
    element("figcaption", {}, caption, " ", element("a", { ...target, title: decodeURIComponent(url) }, fileName(url))),
  );
}

function drawViewer() {
  const viewer = place("viewer");
  const row = rows[view.image - 1];
  if (!row) {
    viewer.close();
    openedHere = false;
    return;
  }
  place("viewer-title").textContent = text("row", { row: row.number });
  const described = [
    row.truth !== null && ["truth", className(row.truth)],
    row.predicted !== null && ["predicted", className(row.predicted), mark({ ...row, error: "" })],
    row.explained !== null && row.overlay !== null && ["explained", explainedClass(row)],
    row.confidence !== null && ["confidence", confidence(row)],
  ].filter(Boolean);
  place("viewer-facts").replaceChildren(
    ...described.map(([key, value, sign]) =>
      element(
        "div",
        { class: `${key} ${row.result}` },
        element("dt", {}, text(key)),
        element("dd", {}, value, sign ? " " : null, sign ?? null),
      ),
    ),
  );
  place("viewer-error").textContent = row.error;
  place("viewer-pair").replaceChildren(figure(row, IMAGE), figure(row, OVERLAY));
  place("before").disabled = !neighbour(-1);
  place("after").disabled = !neighbour(1);
  if (!viewer.open) {
    viewer.showModal();
    viewer.focus(); // no button is more likely than the arrow keys
  }
}

/** The row before or after the one that is open, in the view's order. */
function neighbour(step) {
  const position = shown.findIndex((row) => row.number === view.image);
  return position < 0 ? undefined : shown[position + step];
}

function move(step) {
  const row = neighbour(step);
  if (row) replaceView({ ...view, image: row.number });
}

function leave() {
  if (openedHere) history.back();
  else replaceView({ ...view, image: 0 });
}

// ---- events

function replaceView(next) {
  history.replaceState(null, "", hashOf(next));
  draw();
}

/** Draw what has changed since the last view. */
function draw() {
  const next = viewOf(location.hash);
  const isSameList = hashOf({ ...next, image: 0 }) === hashOf({ ...view, image: 0 });
  openedHere ||= isSameList && view.image === 0 && next.image > 0;
  view = next;
  if (!isSameList) drawList();
  drawViewer();
}

function drawList() {
  shown = selected(view);
  drawFilters();
  drawCards();
}

function drawAll() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(node.dataset.text);
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", text(node.dataset.label));
    node.title = text(node.dataset.label);
  }
  for (const button of document.querySelectorAll(".languages button")) {
    button.setAttribute("aria-pressed", button.value === language);
  }
  view = viewOf(location.hash);
  drawExplained();
  drawCounts();
  drawOverview();
  drawChoices();
  drawList();
  drawViewer();
}

function listen() {
  window.addEventListener("hashchange", draw);
  place("filters").addEventListener("submit", (event) => event.preventDefault());
  place("filters").addEventListener("change", () => {
    location.hash = hashOf({ ...EVERYTHING, ...Object.fromEntries(new FormData(place("filters"))) });
    draw();
  });
  for (const button of document.querySelectorAll(".languages button")) {
    button.addEventListener("click", () => {
      useLanguage(button.value);
      drawAll();
    });
  }
  place("skip").addEventListener("click", (event) => {
    event.preventDefault();
    place("images").focus();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("#overview a, #counts a")) place("images").scrollIntoView();
    if (event.target.closest("#pages a, #clear")) place("images").focus();
  });
  place("before").addEventListener("click", () => move(-1));
  place("after").addEventListener("click", () => move(1));
  place("close").addEventListener("click", leave);
  place("viewer").addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  place("viewer").addEventListener("click", (event) => {
    if (event.target === place("viewer")) leave();
  });
  place("viewer").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) move(step);
  });
}

listen();
drawAll();
