"""Good pictures, arrays and tables, small and made by scripts: what mutations begin with."""

import io
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

TABLES = (
    "x:image,y:label\na.png,0\nb.png,1\n",
    '\ufeffx:image;left,y__0:zero,y__1:one,"n,ote"\na.png,0,1,"line\nend"\nb.png,1,0,x\n',
    "x__0,x__1,x__2,y\n0.1,0.2,0.3,1\n1,2,3,0\n",
    "a:image,b:label,gradcam\r\na.png,0,out/0000/0.png\r\nb.png,3,\r\n",
)


@cache
def pictures() -> tuple[tuple[str, bytes], ...]:
    """Files of every format that Pillow writes here, in several modes, and arrays: ending and content."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 17, 4)).astype(np.uint8)
    color, gray, clear = (Image.fromarray(each) for each in (pixels[..., :3], pixels[..., 0], pixels))
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[274] = 6
    wanted: list[tuple[str, Image.Image, dict[str, Any]]] = [
        (".png", color, {}),
        (".png", clear, {"pnginfo": None}),
        (".png", deep, {}),
        (".png", color.quantize(16), {}),
        (".jpg", color, {"exif": exif}),
        (".jpg", gray, {"progressive": True}),
        (".jpg", color.convert("CMYK"), {}),
        (".bmp", color, {}),
        (".bmp", gray, {}),
        (".gif", color.quantize(16), {"save_all": True, "append_images": [gray.convert("P")]}),
        (".tif", color, {"compression": "tiff_lzw"}),
        (".tif", color, {"compression": "tiff_adobe_deflate"}),
        (".tif", gray.convert("F"), {}),
        (".tif", deep, {}),
        (".webp", color, {}),
        (".webp", clear, {"lossless": True}),
        (".jp2", color, {}),
        (".avif", color, {}),
    ]
    files = []
    for ending, image, options in wanted:
        buffer = io.BytesIO()
        try:
            image.save(buffer, Image.registered_extensions()[ending], **options)
        except (KeyError, OSError):
            continue  # this Pillow was built without it
        files.append((ending, buffer.getvalue()))
    for array in (pixels[..., :3], pixels[..., :3] / np.float32(255)):
        buffer = io.BytesIO()
        np.save(buffer, array)
        files.append((".npy", buffer.getvalue()))
    files.append((".csv", b"1,2,3\n4,5,6\n"))
    return (*files, (".dcm", _dicom(pixels[..., 0])))


def _dicom(pixels: Any) -> bytes:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["fuzz"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.WindowCenter, dataset.WindowWidth = 100, 200
    dataset.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
