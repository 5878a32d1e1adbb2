// What pages say, in each language, and how they write numbers. Each module brings its own texts.

/** @type {Record<string, Record<string, string>>} */
const texts = { en: {}, ja: {} };
let language = initialLanguage();

function initialLanguage() {
  const browsers = navigator.language.startsWith("ja") ? "ja" : "en";
  try {
    const chosen = localStorage.getItem("whylight-language");
    return chosen !== null && chosen in texts ? chosen : browsers;
  } catch {
    return browsers; // a browser may keep no storage for files
  }
}

/**
 * Add texts: of each key one in each language.
 *
 * @param {Record<"en" | "ja", Record<string, string>>} more
 */
export function addTexts(more) {
  for (const [code, own] of Object.entries(more)) Object.assign(texts[code], own);
}

addTexts({
  en: { language: "Language" },
  ja: { language: "言語" },
});

/** @returns {string} the language's code */
export function currentLanguage() {
  return language;
}

/** @param {string} choice the language's code */
export function useLanguage(choice) {
  language = choice;
  try {
    localStorage.setItem("whylight-language", choice);
  } catch {} // as above
}

/**
 * A text of the interface, with its {places} filled in.
 *
 * @param {string} key
 * @param {Record<string, any>} values
 * @returns {string}
 */
export function text(key, values = {}) {
  return texts[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

const formats = Object.fromEntries(
  Object.keys(texts).map((code) => [
    code,
    {
      number: new Intl.NumberFormat(code),
      percent: new Intl.NumberFormat(code, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 }),
    },
  ]),
);

/** @param {number} value */
export function number(value) {
  return formats[language].number.format(value);
}

/** @param {number} share of 1 */
export function percent(share) {
  return formats[language].percent.format(share);
}

/** Fill in the texts of the page's own elements: those with `data-text`, and the names of those with `data-label`. */
export function writeTexts() {
  document.documentElement.lang = language;
  for (const node of document.querySelectorAll("[data-text]")) node.textContent = text(ownKey(node, "text"));
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", text(ownKey(node, "label")));
    node.setAttribute("title", text(ownKey(node, "label")));
  }
  for (const button of document.querySelectorAll(".languages button")) {
    button.setAttribute("aria-pressed", String(button.getAttribute("value") === language));
  }
}

/**
 * @param {Element} node
 * @param {string} name
 */
function ownKey(node, name) {
  return node.getAttribute(`data-${name}`) ?? "";
}

/**
 * Have the buttons in `.languages` switch the language.
 *
 * @param {() => void} redraw draws all again that is not the page's own
 */
export function listenForLanguages(redraw) {
  for (const button of document.querySelectorAll(".languages button")) {
    button.addEventListener("click", () => {
      useLanguage(button.getAttribute("value") ?? "en");
      writeTexts();
      redraw();
    });
  }
}
