"""What an app needs, by the front desk alone: python folder.py FOLDER, a result folder of Neural Network Console."""

import sys
from pathlib import Path
from threading import Event

import whylight

folder = Path(sys.argv[1])
model, table = folder / "results.nnp", folder / "output_result.csv"

# list the rows
dataset = whylight.open_dataset(table)
images, labels = (dataset.columns_of(name) for name in ("x", "y"))
rows = [(dataset.image(row, images), dataset.label(row, labels)) for row in dataset.rows()]
print(f"{len(rows)} rows; the first: {rows[0][0]} of class {rows[0][1]}")

# explain one, with a class, a method, a layer and a device of one's choice
layers = [layer["name"] for layer in whylight.inspect(model).to_dict()["layers"]]
explainer = whylight.explainer(model, "layercam", layer=layers[0], device="cpu")
explanation = explainer(rows[0][0], class_index=rows[0][1])
explanation.save(folder / "one.png", alpha=0.6)

# run the batch with progress, cancel it, and go on
cancel, done = Event(), 0


def advance(count: int) -> None:  # noqa: D103
    global done
    done += count
    print(f"\r{done} of {len(rows)}", end="")
    if done >= len(rows) // 3:
        cancel.set()


try:
    whylight.explain_dataset(
        model, table, folder / "gradcam.csv", batch_size=4, overwrite=True, advance=advance, cancel=cancel
    )
except whylight.Cancelled:
    print(" cancelled")
print(whylight.explain_dataset(model, table, folder / "gradcam.csv", batch_size=4, say=print).to_dict())
