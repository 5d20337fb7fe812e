"""What a script asks of Keras, TensorFlow and ROS; and which library is asked."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from ghostlap.data.vision.steps import Step, crop_step
from ghostlap.pilots.keras_import.script import arrays, opencv, pillow, scientific
from ghostlap.pilots.keras_import.script.facts import Call, Facts
from ghostlap.pilots.keras_import.script.picture import Picture, Refused
from ghostlap.pilots.keras_import.script.values import Arguments, External, Given

_GREY = (0.2989, 0.5870, 0.1140)
"""TensorFlow's."""
_CAFFE_MEANS = (103.939, 116.779, 123.68)
_TORCH_MEANS, _TORCH_STDS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def method(picture: Picture, name: str, given: Arguments, facts: Facts, *, python_2: bool) -> Any:
    """A method of a picture, an array or Pillow's."""
    if picture.pillow:
        return pillow.method(picture, name, given, facts)
    return arrays.method(picture, name, given, python_2=python_2)


def _load_img(given: Arguments, facts: Facts) -> Picture:
    picture = facts.opened(given.where, "opened by Keras: RGB", pillow=True)
    if given.get(1, "grayscale", default=False) is True or given.get(
        -1, "color_mode", default="rgb"
    ) == "grayscale":  # fmt: skip
        picture = picture.done(Step("colour", name="RGB2GRAY"), given.where)
    if given.get(-1, "target_size", default=None) is not None:
        height, width = given.size(-1, "target_size")
        how = str(given.get(-1, "interpolation", default="nearest")).upper()
        picture = picture.done(pillow.pillow_step(width, height, how), given.where)
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


def _tf_resize(given: Arguments, _: Facts) -> Picture:
    picture = given.picture("images", "image")
    height, width = given.size(1, "size")
    how = given.get(2, "method", default="bilinear")
    how = how.path.rpartition(".")[2].lower() if isinstance(how, External) else how
    if given.get(3, "preserve_aspect_ratio", default=False) or given.get(
        4, "antialias", default=False
    ):
        raise Refused("TensorFlow's resize with more than a method is not known here")
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


def _decoded(given: Arguments, facts: Facts) -> Picture:
    if given.get(0, "contents", "image", default=None) is not Given.ENCODED:
        raise Refused("bytes are decoded that are not the frame's")
    if given.get(1, "channels", default=3) not in (0, 3):
        raise Refused("TensorFlow decodes it to other than three channels")
    return facts.opened(given.where, "decoded by TensorFlow: RGB", pillow=False)


def _as_fractions(given: Arguments, facts: Facts) -> Any:
    kind = given.get(1, "dtype", default=None)
    if not isinstance(kind, External) or "float" not in kind.path:
        raise Refused("it becomes another type of numbers")
    return scientific.as_float(given, facts)


def _of_ros(given: Arguments, _: Facts) -> Picture:
    """A camera's message, whose picture is RGB, as an array."""
    picture = given.picture("img_msg", "cmprs_img_msg")
    wanted = given.get(1, "desired_encoding", default="passthrough")
    if wanted not in ("rgb8", "bgr8", "passthrough"):
        raise Refused(f"the encoding {str(wanted)[:20]} is not known here")
    order = slice(None, None, -1 if wanted == "bgr8" else 1)
    return picture.indexed([..., order], given.where)


def _reader(what: str) -> Call:
    return lambda given, facts: facts.opened(given.where, f"{what}: RGB", pillow=False)


CALLS: dict[str, Call] = {
    **pillow.CALLS, **scientific.CALLS,
    **{f"{name}.imread": _reader("read") for name in (
        "matplotlib.pyplot", "matplotlib.image", "imageio", "imageio.v2", "imageio.v3",
        "skimage.io", "scipy.misc", "scipy.ndimage", "scipy.misc.pilutil",
    )},
    "tensorflow.image.resize": _tf_resize,
    "tensorflow.image.crop_to_bounding_box": _tf_crop,
    "tensorflow.image.rgb_to_grayscale": _tf_grey,
    "tensorflow.image.convert_image_dtype": _as_fractions,
    **{f"tensorflow.{name}": _decoded for name in (
        "io.decode_jpeg", "io.decode_image", "io.decode_png", "image.decode_jpeg",
        "image.decode_image", "image.decode_png",
    )},
    "cv_bridge.CvBridge().imgmsg_to_cv2": _of_ros,
    "keras.backend.image_data_format": lambda *_: "channels_last",
    "keras.backend.image_dim_ordering": lambda *_: "tf",
    "keras.backend.backend": lambda *_: "tensorflow",
    "tensorflow.cast": _cast,
    "tensorflow.convert_to_tensor": _cast,
    "tensorflow.constant": _cast,
}  # fmt: skip
for _module in ("preprocessing.image", "utils", "preprocessing.image_utils", "utils.image_utils"):
    CALLS |= {
        f"keras.{_module}.load_img": _load_img,
        f"keras.{_module}.img_to_array": _img_to_array,
        f"keras.{_module}.array_to_img": pillow.from_array,
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
