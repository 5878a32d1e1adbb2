// What the page says, in each language, and how it writes numbers.

const texts = {
  en: {
    skip: "Skip to the images",
    language: "Language",
    accuracy: "Accuracy",
    agreement: "Labels that are the prediction", // all: they may have been made by the model
    count_rows: "Images",
    count_explained: "Explained",
    count_right: "Right",
    count_wrong: "Wrong",
    count_errors: "Errors",
    matrix: "Confusion matrix",
    matrix_hint: "Select a cell to see its images.",
    class_table: "Classes, least accurate first",
    class_table_hint: "Select a class to see its images.",
    class: "Class",
    confusions: "Most frequent confusions",
    confusion: "{truth} taken for {predicted}",
    no_confusions: "Every prediction is the label.",
    cell: "True class {truth}, predicted class {predicted}: {count}",
    images: "Images",
    result: "Result",
    all: "All",
    right: "Right",
    wrong: "Wrong",
    error: "Errors",
    any: "Any",
    truth: "True class",
    predicted: "Predicted class",
    explained: "Explained class",
    origin_label: "the label",
    origin_predicted: "predicted",
    origin_asked: "asked for",
    all_label: "The overlays explain the label of each image",
    all_predicted: "The overlays explain the predicted class of each image",
    all_asked: "The overlays explain the classes that were asked for",
    method: "method {method}",
    layer: "layer {layer}",
    model: "model {model}",
    score_logit: "score before the final activation",
    score_output: "score after the final activation",
    map_of: "Map of {explained}",
    overlay_of: "Overlay for {explained}",
    confidence: "Confidence",
    from: "Lowest confidence",
    to: "Highest confidence",
    sort: "Order",
    sort_row: "Row",
    sort_confident: "Most confident first",
    sort_unsure: "Least confident first",
    sort_class: "Class",
    clear: "Clear filters",
    shown: "{shown} of {all} images",
    shown_all: "{all} images",
    none: "No image fits these filters.",
    empty: "The CSV has no rows.",
    pages: "Pages",
    page_before: "Previous",
    page_after: "Next",
    page: "Page {page}",
    row: "Row {row}",
    image: "Image",
    overlay: "Overlay",
    no_image: "No image",
    no_overlay: "No overlay",
    left_out: "Left out for size",
    before: "Previous image",
    after: "Next image",
    close: "Close",
    footer: "Made by whylight. The overlays show where the network looked.",
  },
  ja: {
    skip: "画像一覧へ移動",
    language: "言語",
    accuracy: "正解率",
    agreement: "予測と同じラベル",
    count_rows: "画像数",
    count_explained: "説明済み",
    count_right: "正解",
    count_wrong: "不正解",
    count_errors: "エラー",
    matrix: "混同行列",
    matrix_hint: "セルを選ぶと該当する画像を表示します。",
    class_table: "クラス別の正解率（低い順）",
    class_table_hint: "クラスを選ぶと該当する画像を表示します。",
    class: "クラス",
    confusions: "多い誤分類",
    confusion: "{truth} を {predicted} と誤分類",
    no_confusions: "すべての予測がラベルと同じです。",
    cell: "正解クラス {truth}、予測クラス {predicted}: {count} 枚",
    images: "画像",
    result: "判定",
    all: "すべて",
    right: "正解",
    wrong: "不正解",
    error: "エラー",
    any: "すべて",
    truth: "正解クラス",
    predicted: "予測クラス",
    explained: "説明したクラス",
    origin_label: "正解クラス",
    origin_predicted: "予測クラス",
    origin_asked: "指定したクラス",
    all_label: "重ね合わせ画像は、各画像の正解クラスを説明しています",
    all_predicted: "重ね合わせ画像は、各画像の予測クラスを説明しています",
    all_asked: "重ね合わせ画像は、指定したクラスを説明しています",
    method: "手法 {method}",
    layer: "層 {layer}",
    model: "モデル {model}",
    score_logit: "最後の活性化関数の前のスコア",
    score_output: "最後の活性化関数の後のスコア",
    map_of: "マップ: {explained}",
    overlay_of: "重ね合わせ: {explained}",
    confidence: "確信度",
    from: "確信度の下限",
    to: "確信度の上限",
    sort: "並び順",
    sort_row: "行の順",
    sort_confident: "確信度の高い順",
    sort_unsure: "確信度の低い順",
    sort_class: "クラス順",
    clear: "絞り込みを解除",
    shown: "{all} 枚中 {shown} 枚",
    shown_all: "{all} 枚",
    none: "条件に合う画像はありません。",
    empty: "CSV に行がありません。",
    pages: "ページ",
    page_before: "前へ",
    page_after: "次へ",
    page: "{page} ページ",
    row: "{row} 行目",
    image: "画像",
    overlay: "重ね合わせ",
    no_image: "画像なし",
    no_overlay: "重ね合わせなし",
    left_out: "容量のため省略",
    before: "前の画像",
    after: "次の画像",
    close: "閉じる",
    footer: "whylight で作成。重ね合わせ画像は、ネットワークが注目した場所を示します。",
  },
};

let language = navigator.language.startsWith("ja") ? "ja" : "en";
try {
  language = localStorage.getItem("whylight-language") ?? language;
} catch {} // a browser may keep no storage for files
if (!(language in texts)) language = "en";

function useLanguage(choice) {
  language = choice;
  try {
    localStorage.setItem("whylight-language", choice);
  } catch {}
}

/** A text of the interface, with its {places} filled in. */
function text(key, values = {}) {
  return texts[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

const percentage = { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 };
const formats = Object.fromEntries(
  Object.keys(texts).map((code) => [
    code,
    { number: new Intl.NumberFormat(code), percent: new Intl.NumberFormat(code, percentage) },
  ]),
);

function number(value) {
  return formats[language].number.format(value);
}

function percent(share) {
  return formats[language].percent.format(share);
}
