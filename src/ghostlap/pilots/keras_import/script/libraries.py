"""What a script asks of Pillow, Keras, TensorFlow, scikit-image, SciPy and matplotlib."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from ghostlap.data.vision.steps import Step, crop_step
from ghostlap.pilots.keras_import.script import arrays, opencv
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.values import Arguments, External, number

_FILTERS = {
    "NEAREST": "nearest", "BOX": "box", "BILINEAR": "bilinear", "LINEAR": "bilinear",
    "HAMMING": "hamming", "BICUBIC": "bicubic", "CUBIC": "bicubic", "LANCZOS": "lanczos",
    "ANTIALIAS": "lanczos", 0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box",
    5: "hamming",
}  # fmt: skip
_GREY = (0.2989, 0.5870, 0.1140)
"""TensorFlow's."""
_SKIMAGE_GREY = (0.2125, 0.7154, 0.0721)
_CAFFE_MEANS = (103.939, 116.779, 123.68)
_TORCH_MEANS, _TORCH_STDS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclasses.dataclass
class Facts:
    """What is known besides the script, and what had to be assumed."""

    frame: tuple[int, int]
    """Height and width of the frames."""
    old: bool = False
    """Whether the model is of 2019 or before, when some libraries did otherwise."""
    chosen: dict[str, str] = dataclasses.field(default_factory=dict)
    """What to assume, by question."""
    asked: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Questions that came up, and what may be answered; the likeliest first."""

    def assume(self, question: str, now: str, before: str) -> str:
        options = (before, now) if self.old else (now, before)
        self.asked[question] = options
        return self.chosen.get(question, options[0])

    def opened(self, where: str, what: str, *, pillow: bool) -> Picture:
        return Picture((*self.frame, 3)).but(where, what, pillow=pillow)


Call = Callable[[Arguments, Facts], Any]

PILLOW_DEFAULT = "Pillow's resize without a filter"
SKIMAGE_DEFAULT = "scikit-image's resize without anti_aliasing"


def _pillow_step(width: int, height: int, how: Any) -> Step:
    name = how.path.rpartition(".")[2] if isinstance(how, External) else how
    if isinstance(name, bool) or name not in _FILTERS:
        raise Refused("Pillow's filter is not known")
    return Step("resize", (width, height), f"pillow-{_FILTERS[name]}")


def _pillow_method(picture: Picture, name: str, given: Arguments, facts: Facts) -> Any:
    where = given.where
    if name in ("copy", "load", "__enter__", "getdata"):
        return picture
    if name == "crop":
        box = given.get(0, "box")
        if not isinstance(box, tuple | list) or len(box) != 4:
            raise Refused("its box is not known from the script")
        left, top, right, bottom = (round(number(side)) for side in box)
        height, width, _ = picture.shape
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise Refused(
                f"it is cropped to {(left, top, right, bottom)}, which is not within its "
                f"{width}x{height} pixels"
            )
        what = f"crop: rows {top}:{bottom}, columns {left}:{right} kept"
        return picture.done(crop_step(top, bottom, left, right), where, what)
    if name == "resize":
        width, height = given.size(0, "size")
        how = given.get(1, "resample", default=None)
        if given.named.keys() & {"box", "reducing_gap"}:
            raise Refused("a part of it is resized")
        if how is None:
            how = facts.assume(PILLOW_DEFAULT, "BICUBIC", "NEAREST")
        return picture.done(_pillow_step(width, height, how), where)
    if name == "convert":
        mode = given.get(0, "mode", default="?")
        if mode == ("RGB" if picture.shape[2] == 3 else "L"):
            return picture
        if picture.shape[2] == 3 and mode == "L":
            return picture.done(Step("colour", name="RGB2GRAY"), where)
        if picture.shape[2] == 3 and mode == "YCbCr":
            turned = picture.done(Step("colour", name="RGB2YCrCb"), where)
            return turned.done(Step("channels", (0, 2, 1)), where)
        raise Refused(f"Pillow's convert({mode!r}) is not known here")
    raise Refused(f"Pillow's {name} is not known here")


def method(picture: Picture, name: str, given: Arguments, facts: Facts, *, python_2: bool) -> Any:
    """A method of a picture, an array or Pillow's."""
    if picture.pillow:
        return _pillow_method(picture, name, given, facts)
    return arrays.method(picture, name, given, python_2=python_2)


def _from_array(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("obj")
    if not picture.whole or picture.axes not in ("hwc", "hw"):
        raise Refused("Pillow makes a picture of what are no bytes")
    return picture.but(given.where, "", pillow=True)


def _imresize(given: Arguments, _: Facts) -> Picture:
    """SciPy's, which is Pillow's; of floats it stretches the picture's own range."""
    picture = given.picture("arr")
    if not picture.whole:
        raise Refused("imresize stretches floats by the picture's own brightest and darkest values")
    size = given.get(1, "size")
    if isinstance(size, int | float):
        share = size / 100 if isinstance(size, int) else size
        size = int(picture.shape[0] * share), int(picture.shape[1] * share)
    height, width = Arguments([size], {}, given.where).size(0)
    how = str(given.get(2, "interp", default="bilinear")).upper()
    return picture.done(_pillow_step(width, height, how), given.where)


def _skimage_resize(given: Arguments, facts: Facts) -> Picture:
    picture = given.picture("image")
    height, width = given.size(1, "output_shape")
    if given.get(2, "order", default=1) not in (1, None):
        raise Refused("scikit-image's resize of another order than 1 is not known here")
    smooth = given.get(7, "anti_aliasing", default=None)
    if smooth is None:
        smooth = facts.assume(SKIMAGE_DEFAULT, "smooth", "plain") == "smooth"
    if picture.whole and not given.get(6, "preserve_range", default=False):
        picture = picture.scaled([1 / 255], [0.0], given.where)
    sigmas = [max(0.0, (old / new - 1) / 2) for old, new in
              ((picture.shape[1], width), (picture.shape[0], height))]  # fmt: skip
    if smooth and any(sigmas):
        sides = [2 * round(4 * sigma) + 1 for sigma in sigmas]
        picture = picture.done(Step("blur", (*sides, *sigmas)), given.where)
    step = Step("resize", (width, height), "linear")
    return picture.done(step, given.where).but(given.where, "", whole=False)


def _skimage_grey(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("rgb").done(Step("mix", _SKIMAGE_GREY), given.where)
    whole = given.picture("rgb").whole
    return picture.scaled([1 / 255], [0.0], given.where) if whole else picture


def _as_float(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("image")
    return picture.scaled([1 / 255], [0.0], given.where) if picture.whole else picture


def _load_img(given: Arguments, facts: Facts) -> Picture:
    picture = facts.opened(given.where, "opened by Keras: RGB", pillow=True)
    if given.get(1, "grayscale", default=False) is True or given.get(
        -1, "color_mode", default="rgb"
    ) == "grayscale":  # fmt: skip
        picture = picture.done(Step("colour", name="RGB2GRAY"), given.where)
    if given.get(-1, "target_size", default=None) is not None:
        height, width = given.size(-1, "target_size")
        how = str(given.get(-1, "interpolation", default="nearest")).upper()
        picture = picture.done(_pillow_step(width, height, how), given.where)
    return picture


def _img_to_array(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("img")
    axes = picture.axes if picture.shape[2] == 3 else "hw1"
    return picture.but(given.where, "", pillow=False, whole=False, axes=axes)


def _preprocess_input(path: str) -> Call | None:
    """Of Keras' applications, by the module that it comes from."""
    found = re.search(r"keras\.applications\.(\w+)\.preprocess_input$", path)
    if not found:
        return None
    name = found[1]

    def call(given: Arguments, _: Facts) -> Picture:
        picture, where = given.picture("x"), given.where
        if name.startswith("efficientnet"):
            return picture
        if name in ("vgg16", "vgg19", "resnet", "resnet50", "imagenet_utils"):
            turned = picture._kept(Step("channels", (2, 1, 0)), where)
            means = [-mean for mean in _CAFFE_MEANS]
            turned = turned.scaled([1.0], means, where)
            return dataclasses.replace(turned, axes=picture.axes)
        if name == "densenet":
            factors = [1 / 255 / std for std in _TORCH_STDS]
            offsets = [-m / s for m, s in zip(_TORCH_MEANS, _TORCH_STDS, strict=True)]
            return picture.scaled(factors, offsets, where)
        return picture.scaled([1 / 127.5], [-1.0], where)

    return call


def _hsv(given: Arguments, _: Facts) -> Picture:
    """matplotlib's: hue and saturation from 0 to 1, value as it was."""
    picture = given.picture("arr")
    (scale, offset), *rest = set(picture.affine())
    if rest or offset or picture.axes != "hwc":
        raise Refused("colours are converted of values that do not begin at 0")
    plain = dataclasses.replace(picture, scale=(1.0,), offset=(0.0,))
    turned = plain.done(Step("colour", name="RGB2HSV"), given.where)
    return turned.scaled((1 / 180, 1 / 255, scale), [0.0], given.where)


def _tf_resize(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("images", "image")
    height, width = given.size(1, "size")
    how = given.get(2, "method", default="bilinear")
    how = how.path.rpartition(".")[2].lower() if isinstance(how, External) else how
    if how not in ("bilinear", 0):
        raise Refused(f"TensorFlow's resize by {str(how)[:20]} is not known here")
    resized = picture._kept(Step("resize", (width, height), "linear"), given.where)
    return dataclasses.replace(resized, axes=picture.axes, whole=False)


def _tf_crop(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("image")
    top, left, height, width = (
        int(given.number(place, name)) for place, name in
        ((1, "offset_height"), (2, "offset_width"), (3, "target_height"), (4, "target_width"))
    )  # fmt: skip
    cropped = picture._kept(crop_step(top, top + height, left, left + width), given.where)
    return dataclasses.replace(cropped, axes=picture.axes)


def _tf_grey(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("images")
    grey = picture._kept(Step("mix", _GREY), given.where)
    return dataclasses.replace(grey, axes=picture.axes.replace("c", "1"))


def _cast(given: Arguments, _: Facts) -> Any:
    value = given.get(0, "x", "value")
    kind = given.get(1, "dtype", default=None)
    known = isinstance(value, Picture) and kind is not None
    return arrays.typed(value, kind, given.where) if known else value


def _reader(what: str, *, pillow: bool = False) -> Call:
    return lambda given, facts: facts.opened(given.where, f"{what}: RGB", pillow=pillow)


CALLS: dict[str, Call] = {
    "PIL.Image.open": _reader("opened by Pillow", pillow=True),
    "PIL.Image.fromarray": _from_array,
    **{f"{name}.imread": _reader("read") for name in (
        "matplotlib.pyplot", "matplotlib.image", "imageio", "imageio.v2", "imageio.v3",
        "skimage.io", "scipy.misc", "scipy.ndimage", "scipy.misc.pilutil",
    )},
    "scipy.misc.imresize": _imresize,
    "scipy.misc.pilutil.imresize": _imresize,
    "skimage.transform.resize": _skimage_resize,
    "skimage.color.rgb2gray": _skimage_grey,
    "skimage.img_as_float": _as_float,
    "skimage.util.img_as_float": _as_float,
    "matplotlib.colors.rgb_to_hsv": _hsv,
    "tensorflow.image.resize": _tf_resize,
    "tensorflow.image.crop_to_bounding_box": _tf_crop,
    "tensorflow.image.rgb_to_grayscale": _tf_grey,
    "tensorflow.cast": _cast,
    "tensorflow.convert_to_tensor": _cast,
    "tensorflow.constant": _cast,
}  # fmt: skip
for _module in ("preprocessing.image", "utils", "preprocessing.image_utils", "utils.image_utils"):
    CALLS |= {
        f"keras.{_module}.load_img": _load_img,
        f"keras.{_module}.img_to_array": _img_to_array,
        f"keras.{_module}.array_to_img": _from_array,
    }


def call(path: str, given: Arguments, facts: Facts) -> Any:
    """The result of a library's function that is done to a picture; None if it is not known.

    Raises:
        Refused: it is known, but not in this way.
    """
    path = re.sub(
        r"^(tensorflow\.(compat\.v1\.)?(python\.)?)?keras\.(api\.)?(src\.)?", "keras.", path
    )
    path = path.replace("tensorflow.expand_dims", "numpy.expand_dims")
    path = path.replace("tensorflow.reshape", "numpy.reshape")
    if path in CALLS:
        return CALLS[path](given, facts)
    if path in opencv.OPENERS:
        return opencv.OPENERS[path](given, facts.frame)
    known = opencv.CALLS.get(path) or arrays.CALLS.get(path)
    if known:
        return known(given)
    special = _preprocess_input(path)
    return special(given, facts) if special else None
