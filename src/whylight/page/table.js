// A table in the page: all that the address asks for is drawn, and every control is another address.

import { place } from "./dom.js";
import { drawChoices, drawFilters, drawTotal, listenToFilters } from "./filters.js";
import { cards, pageLinks, scrollToRow, tableOfRows } from "./list.js";
import { ClassNames } from "./names.js";
import { drawOverview, markInOverview } from "./overview.js";
import { addTexts, text } from "./text.js";
import { EVERYTHING, hashOf, viewOf } from "./view.js";

/**
 * @import {Opened, Row, TableSource, View} from "./source.js"
 */

const PAGE_SIZE = 60;
/** @type {Opened} */
const NONE_OPEN = { row: null, before: 0, after: 0 };

addTexts({
  en: {
    skip: "Skip to the images",
    images: "Images",
    none: "No image fits these filters.",
    empty: "The table has no rows.",
    pages: "Pages",
  },
  ja: {
    skip: "画像一覧へ移動",
    images: "画像",
    none: "条件に合う画像はありません。",
    empty: "表に行がありません。",
    pages: "ページ",
  },
});

/** A table in the elements of `table.html`. */
export class Table {
  /**
   * @param {object} page
   * @param {"cards" | "rows"} page.layout rows have the table's own columns, and stay in sight beside what is open
   * @param {(opened: Opened, names: ClassNames) => void} page.open told of the row that the address names; also when
   *   there is none
   */
  constructor({ layout, open }) {
    this.layout = layout;
    this.open = open;
    /** @type {TableSource | null} */
    this.source = null;
    this.names = new ClassNames([]);
    this.view = EVERYTHING;
    /** @type {Row[]} */
    this.rows = []; // of the view, on the page that is shown
    this.opened = NONE_OPEN;
    this.isOpenedHere = false; // the entry before this one in the history is the view without the image
    this.asked = 0; // answers to earlier questions come too late
    this.askedToOpen = 0;
    this.#listen();
  }

  /**
   * Show another table.
   *
   * @param {TableSource} source
   */
  async show(source) {
    this.source = source;
    this.names = new ClassNames(source.facts.names);
    await this.redraw();
  }

  /** Draw all again, such as in another language. */
  async redraw() {
    if (!this.source) return;
    this.view = viewOf();
    drawOverview(this.source.facts, this.names);
    drawChoices(this.source.facts, this.names);
    await Promise.all([this.#drawList(), this.#drawOpened()]);
  }

  /**
   * Open the row before (-1) or after (1) the one that is open, in the view's order.
   *
   * @param {number} step
   */
  move(step) {
    const { row, before, after } = this.opened;
    const number = row === null ? (this.rows[0]?.number ?? 0) : step < 0 ? before : after;
    if (number === 0) return;
    const isTurned = this.layout === "rows" && this.#isShown(row?.number) && !this.#isShown(number);
    this.#replace({ ...this.view, image: number, page: isTurned ? this.view.page + step : this.view.page });
  }

  /** Leave the row that is open. */
  close() {
    if (this.isOpenedHere) history.back();
    else this.#replace({ ...this.view, image: 0 });
  }

  #listen() {
    window.addEventListener("hashchange", () => this.#draw());
    listenToFilters(
      (view) => this.#choose(view),
      (view) => this.#replace(view),
    );
    place("skip").addEventListener("click", (/** @type {Event} */ event) => {
      event.preventDefault();
      place("images").focus();
    });
    document.addEventListener("click", ({ target }) => {
      if (!(target instanceof Element)) return;
      if (target.closest("#overview a, #counts a")) place("images").scrollIntoView();
      if (target.closest("#pages a, #clear")) place("images").focus();
    });
  }

  /** @param {View} view */
  #choose(view) {
    location.hash = hashOf(view);
    this.#draw(); // now: what is typed after this must not be written over
  }

  /** @param {View} view */
  #replace(view) {
    history.replaceState(null, "", hashOf(view));
    this.#draw();
  }

  /** Draw what has changed since the last view. */
  async #draw() {
    if (!this.source) return;
    const next = viewOf();
    const isSameList = hashOf({ ...next, image: 0 }) === hashOf({ ...this.view, image: 0 });
    const isSameRow = isSameList && next.image === this.view.image;
    this.isOpenedHere ||= isSameList && this.view.image === 0 && next.image > 0;
    this.view = next;
    await Promise.all([isSameList || this.#drawList(), isSameRow || this.#drawOpened()]);
  }

  async #drawList() {
    const source = /** @type {TableSource} */ (this.source);
    const { view } = this;
    const asked = ++this.asked;
    drawFilters(view);
    markInOverview(view);
    place("list").setAttribute("aria-busy", "true");
    try {
      let page = view.page;
      let found = await source.rows(view, (page - 1) * PAGE_SIZE, PAGE_SIZE);
      const pages = Math.max(1, Math.ceil(found.total / PAGE_SIZE));
      if (page > pages) {
        page = pages;
        found = await source.rows(view, (page - 1) * PAGE_SIZE, PAGE_SIZE);
      }
      if (asked !== this.asked) return;
      this.rows = found.rows;
      this.#fillList(found.total, page, pages);
    } catch (error) {
      if (asked !== this.asked) return;
      this.rows = [];
      place("list").replaceChildren();
      place("pages").hidden = true;
      this.#say(String(error instanceof Error ? error.message : error));
    }
    place("list").removeAttribute("aria-busy");
  }

  /**
   * @param {number} total rows that fit the view
   * @param {number} page
   * @param {number} pages
   */
  #fillList(total, page, pages) {
    const { facts } = /** @type {TableSource} */ (this.source);
    const { view } = this;
    drawTotal(total, facts.rows);
    const list = { facts, names: this.names, view };
    place("list").replaceChildren((this.layout === "cards" ? cards : tableOfRows)(this.rows, list));
    this.#markOpened();
    this.#say(total > 0 ? "" : text(facts.rows === 0 ? "empty" : "none"));
    place("pages").hidden = pages === 1;
    place("pages").replaceChildren(...pageLinks(page, pages, view));
  }

  async #drawOpened() {
    const source = /** @type {TableSource} */ (this.source);
    const { view } = this;
    const asked = ++this.askedToOpen;
    try {
      const opened = view.image === 0 ? NONE_OPEN : await source.row(view, view.image);
      if (asked !== this.askedToOpen) return;
      this.opened = opened;
    } catch (error) {
      if (asked !== this.askedToOpen) return;
      this.opened = NONE_OPEN;
      this.#say(String(error instanceof Error ? error.message : error));
    }
    if (this.opened.row === null) this.isOpenedHere = false;
    this.#markOpened();
    this.open(this.opened, this.names);
  }

  #markOpened() {
    for (const node of place("list").querySelectorAll("[data-row]")) {
      const isOpen = Number(node.dataset.row) === this.opened.row?.number;
      if (isOpen) node.setAttribute("aria-current", "true");
      else node.removeAttribute("aria-current");
      if (isOpen && this.layout === "rows") scrollToRow(node);
    }
  }

  /** @param {number | undefined} number */
  #isShown(number) {
    return this.rows.some((row) => row.number === number);
  }

  /** @param {string} message in place of rows */
  #say(message) {
    place("none").textContent = message;
    place("none").hidden = message === "";
  }
}
