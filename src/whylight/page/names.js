// Classes by their names.

export class ClassNames {
  /** @param {string[]} names the first that of class 0; empty where the classes have none */
  constructor(names) {
    this.names = names;
    this.firsts = names.map((name) => name.split(",")[0]);
    /** @type {Map<string, number>} */
    this.times = new Map();
    for (const first of this.firsts) this.times.set(first, (this.times.get(first) ?? 0) + 1);
  }

  /**
   * A class's name, or its index where it has none.
   *
   * @param {number} index
   */
  full(index) {
    return this.names[index] || String(index);
  }

  /**
   * The first of a name's synonyms, where that tells the class from all others.
   *
   * @param {number} index
   */
  short(index) {
    return (this.times.get(this.firsts[index]) === 1 && this.firsts[index]) || this.full(index);
  }
}
