// What a page asks of whoever explains: the report has the answers inside, the app asks a server, the browser page
// computes them itself. Table, panel and viewer know nothing else.

/**
 * @typedef {object} Row one image of a table
 * @property {number} number from 1 on, in the table's own order
 * @property {string | null} image the address of the image; null where there is none
 * @property {string | null} overlay of its overlay
 * @property {string} name the image's file, as the table has it; "" where there is none
 * @property {string} overlayName the overlay's file
 * @property {string | null} thumbnail the address of a small copy of the image; null where there is none
 * @property {string | null} overlayThumbnail of a small copy of the overlay
 * @property {("image" | "overlay")[]} [leftOut] which of these could be made, but are left out for the page's size
 * @property {number | null} truth the true class
 * @property {number | null} predicted the predicted class
 * @property {number | null} explained the class that the overlay explains
 * @property {number | null} confidence the predicted class's probability, or the model's output for it
 * @property {string} error what is wrong with the row, or ""
 * @property {string[]} cells of the table's other columns: see TableFacts.columns
 */

/**
 * @typedef {object} TableFacts what is true of all rows
 * @property {string[]} names the classes' names; empty where they have none
 * @property {{origin: string, method: string, layer: string, model: string, score: string} | null} by what the overlays
 *   explain, where the run has said it
 * @property {number} rows
 * @property {number} explained rows with an overlay
 * @property {number} right
 * @property {number} wrong
 * @property {number} errors
 * @property {[number, number, number][]} confusions true class, predicted class, rows; most rows first
 * @property {number[]} truths the true classes that occur, ascending
 * @property {number[]} predictions the predicted classes that occur, ascending
 * @property {boolean} hasConfidences
 * @property {boolean} areProbabilities whether all confidences lie from 0 to 1
 * @property {string[]} columns the names of the columns that `Row.cells` holds; a report has none
 */

/**
 * @typedef {object} View what is shown of a table, as the page's address holds it; "" for anything
 * @property {string} result right, wrong or error
 * @property {string} truth
 * @property {string} predicted
 * @property {string} from lowest confidence, in the unit of the filter
 * @property {string} to
 * @property {string} text that one of the row's cells, the name of its image, of its overlay or of a class, or its error holds;
 *   large and small letters are the same
 * @property {string} sort row, confident, unsure or class
 * @property {number} page from 1 on
 * @property {number} image the number of the row that is open; 0 for none
 */

/**
 * @typedef {object} TableSource
 * @property {TableFacts} facts
 * @property {(view: View, start: number, count: number) => Promise<{rows: Row[], total: number}>} rows the rows that fit
 *   a view, in its order, from the `start`th (0 for the first) on, and how many fit
 * @property {(view: View, number: number) => Promise<Opened>} row one row, and those beside it
 */

/**
 * @typedef {object} Opened
 * @property {Row | null} row null where there is none of this number
 * @property {number} before the number of the row before it in the view, 0 for none
 * @property {number} after
 */

/**
 * @typedef {object} Layer
 * @property {string} name
 * @property {string} type
 * @property {(number | string | null)[]} shape
 * @property {boolean} isDefault whether it is explained where none is named
 */

/**
 * @typedef {object} Method
 * @property {string} name
 * @property {string} summary one line
 * @property {number} passes runs of the network that an explanation takes, about; 1 for methods of one pass
 * @property {boolean} takesLayer
 */

/**
 * @typedef {object} ModelFacts
 * @property {string} name
 * @property {number} classes
 * @property {string[]} names the classes' names; empty where they have none
 * @property {Layer[]} layers from first to last
 * @property {Method[]} methods
 * @property {string} method the one that is used where none is named
 * @property {boolean} isFree whether layer, method and opponent can be chosen; a compiled file has just its maps
 * @property {string} problem why the model cannot be explained, or ""
 */

/**
 * @typedef {object} Question
 * @property {number | string} class_index a class, its name, or "predicted"
 * @property {string} method
 * @property {string} layer "" for the default one
 * @property {number | string} against the class to contrast with; "" for none
 */

/**
 * @typedef {object} Guess
 * @property {number} class_index
 * @property {string | null} class_name
 * @property {number} probability
 */

/**
 * @typedef {object} Heat a saliency map, 1 where the score owes most
 * @property {number} rows
 * @property {number} columns
 * @property {Float32Array} values in [0, 1], row by row
 * @property {[number, number, number, number]} crop the part of the image that it covers: top, left, bottom and right in
 *   fractions
 */

/**
 * @typedef {object} Answer
 * @property {number} class_index
 * @property {string | null} class_name
 * @property {number} score
 * @property {number} probability
 * @property {number} predicted
 * @property {number} rank of the explained class by probability, from 1 on
 * @property {Guess[]} top the most probable classes
 * @property {string} method
 * @property {string} layer
 * @property {Heat} heat
 * @property {number} seconds that it took
 * @property {string[]} notes warnings, such as of an empty map
 * @property {string} command the command line that makes the same picture; "" where there is none
 */

/**
 * @typedef {object} Rectangle in fractions of the image's width and height
 * @property {number} left
 * @property {number} top
 * @property {number} right
 * @property {number} bottom
 */

/**
 * @typedef {object} Subject an image to explain
 * @property {string} name
 * @property {string} address where a browser finds it, upright
 * @property {any} key what the source knows it by
 */

/**
 * @typedef {object} ExplainSource
 * @property {ModelFacts} facts
 * @property {Record<string, string>} colormaps of each 256 colors, RGB bytes in base64
 * @property {(subject: Subject, question: Question, signal: AbortSignal) => Promise<Answer>} explain
 * @property {(subject: Subject, rectangle: Rectangle, classes: number[], signal: AbortSignal) => Promise<Guess[]>} cover
 *   the probabilities of these classes where the rectangle is covered with the image's mean color
 * @property {((subject: Subject, question: Question, look: Look, output: string) => Promise<string>) | null} save write
 *   the overlay into the result folder; gives its name
 * @property {((subject: Subject, question: Question, look: Look, format: "png" | "npy") => Promise<Blob>) | null} file
 *   a file to download, where the source makes it; the panel makes PNG and NPY itself where it does not
 */

/**
 * @typedef {object} Look
 * @property {number} alpha 0 to 1
 * @property {string} colormap
 */

export const NOTHING = null; // types alone
