"""Scripts that say what they do by more of Python: configurations, decorators, classes.

``FILES`` is as that of :mod:`drive_scripts`.
"""

from __future__ import annotations

from drive_scripts import ASK, drive
from drive_scripts import FILES as FILES

SMALL = """
def crop(i, top=60, bottom=20): return i[top:-bottom]
def size(i): return cv2.resize(i, (200, 66))
def blue(i): return cv2.cvtColor(i, cv2.COLOR_RGB2YUV)
"""
ALL = (
    "image = np.asarray(image)\nfor step in STEPS:\n    image = step(image)\nimage = image[None]\n"
)
CUT = "image = np.asarray(image)[CFG.top:CFG.bottom][None]\n"
GREY = "cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY)"

STYLES: dict[str, tuple[str, str]] = {
    "a decorator that scales": ("image = make(np.asarray(image))[None]\n", '''
import functools
def scaled(fn):
    @functools.wraps(fn)
    def inner(*args, **kwargs):
        return fn(*args, **kwargs) / 255.0
    return inner
@scaled
def make(img, top=50):
    return cv2.resize(img[top:140], (64, 64))
'''),
    "arguments of a dictionary": (
        "image = size(crop(np.asarray(image), **CFG))\n"
        "image = cv2.resize(image, (80, 40), **dict(interpolation=cv2.INTER_AREA))[None]\n",
        SMALL + "CFG = {**{'top': 30, 'bottom': 25}, 'top': 50}\nCFG.update(bottom=30)\n",
    ),
    "steps put into a list": (
        ALL, SMALL + "STEPS = [size, blue]\nSTEPS.insert(0, crop)\nSTEPS.extend([blue, None])\n"
        "STEPS.pop()\ndel STEPS[-1]\n"),
    "steps turned round": (ALL, SMALL + "STEPS = [blue, size, crop]\nSTEPS.reverse()\n"),
    "steps of a dictionary": (
        ALL, SMALL + "STEPS = {'a': crop, 'b': None, 'c': size}\n"
        "STEPS = [f for name, f in STEPS.items() if f is not None and name in ('a', 'c')]\n"),
    "partial and reduce": (
        "image = reduce(lambda im, f: f(im), STEPS, np.asarray(image))[None]\n",
        SMALL + "from functools import partial, reduce\n"
        "STEPS = [partial(crop, top=50), partial(cv2.resize, dsize=(64, 64))]\n"),
    "a dataclass": (
        CUT, "from dataclasses import dataclass\n@dataclass\nclass Config:\n    top: int = 60\n"
        "    bottom: int = 135\nCFG = Config(50, bottom=140)\n"),
    "a named tuple": (
        CUT, "from collections import namedtuple\nCFG = namedtuple('C', 'top, bottom')(50, 140)\n"),
    "a namespace, set late": (
        CUT, "import types\nCFG = types.SimpleNamespace(top=60, bottom=135)\n"
        "setattr(CFG, 'top', 50)\nCFG.__dict__['bottom'] = 140\n"),
    "a name of globals": ("image = np.asarray(image)[TOP:][None]\n",
                          "TOP = 60\nglobals()['TOP'] = 50\n"),
    "a name of the function around": ("image = get(np.asarray(image))[None]\n", '''
def make():
    top = 60
    def set_top(rows):
        nonlocal top
        top = rows
    set_top(50)
    return lambda x: x[top:]
get = make()
'''),
    "super": ("image = PRE(np.asarray(image))[None]\n", '''
class Base:
    top = 60
    def __init__(self, top=60, size=(64, 64)):
        self.top, self.size = top, size
    def colour(self, x):
        return x
    def __call__(self, x):
        return self.colour(cv2.resize(x[self.top:], self.size))
class Yuv(Base):
    def __init__(self, **kw):
        super().__init__(top=50, **kw)
    def colour(self, x):
        return cv2.cvtColor(super().colour(x), getattr(cv2, f'COLOR_RGB2{"yuv".upper()}'))
PRE = Yuv(size=(200, 66))
'''),
    "class methods, a property set": ("image = Pre().run(np.asarray(image))[None]\n", '''
class Pre(object):
    BOTTOM = 20
    @classmethod
    def set_bottom(cls, rows): cls.BOTTOM = rows
    @staticmethod
    def cut(x, a, b): return x[a:-b]
    @property
    def top(self): return self._top
    @top.setter
    def top(self, rows): self._top = rows + 5
    def run(self, x):
        self.top = 45
        return self.cut(x, self.top, self.BOTTOM)
Pre.set_bottom(25)
'''),
    "a class as a decorator": ("image = pre(np.asarray(image))[None]\n", '''
class Scaled:
    def __init__(self, fn): self.fn = fn
    def __call__(self, x): return self.fn(x) / 255.
@Scaled
def pre(x): return x[60:]
'''),
    "a loop that counts": (
        "x, i = np.asarray(image), 0\nwhile i < len(STEPS):\n    x = STEPS[i](x)\n    i += 1\n"
        "image = x[None]\n", SMALL + "STEPS = [crop, size]\n"),
    "some frames passed over": (
        "global count\ncount += 1\nif count % 3:\n    return\n"
        "image = np.asarray(image)[None, 60:]\n", "count = 2\n"),
    "changed in place in a list": (
        "images = [np.array(image, np.float32)]\nfor one in images:\n    one /= 255\n"
        "image = np.array(images)\n", ""),
    "grey by weights, of fractions": (
        "image = ((np.asarray(image) / 255) @ np.array([.3, .6, .1]))[None, ..., None]\n", ""),
    "an enum and a copied dictionary": (
        "cfg = copy.deepcopy(CFG)\ncfg['top'] = 50\n"
        "image = cv2.cvtColor(np.asarray(image), Space.YUV.value)[cfg['top']:-CFG['top']][None]\n",
        "import copy\nfrom enum import Enum\nCFG = {'top': 60}\n"
        "class Space(Enum):\n    YUV = cv2.COLOR_RGB2YUV\n"),
    "names of OpenCV by themselves": (
        "image = cvtColor(np.asarray(image), COLOR_RGB2HLS)[None]\n",
        "from cv2 import COLOR_RGB2HLS, cvtColor\n"),
    "match": ("image = turn(np.asarray(image))[None]\n", '''
def turn(x, space='hsv'):
    match space:
        case 'yuv':
            return cv2.cvtColor(x, cv2.COLOR_RGB2YUV)
        case 'hsv':
            x = cv2.cvtColor(x, cv2.COLOR_RGB2HLS)
        case _:
            pass
    return x
'''),
    "changed in place by a function": (
        "image = np.asarray(image).astype(np.float32)\nnormalize(image)\nimage = image[None]\n",
        "def normalize(x):\n    x /= 255.0\n    x -= 0.5\n"),
    "painted on a copy": (
        "image = np.array(image)\nshow = image.copy()\nshow[:60] = 0\n"
        "cv2.rectangle(show, (0, 0), (9, 9), 0)\nimage = image[60:][None]\n", ""),
    "luminance made even in place": (
        "image = cv2.cvtColor(np.asarray(image)[60:135], cv2.COLOR_RGB2YUV)\n"
        "image[:, :, 0] = cv2.equalizeHist(image[:, :, 0])\nimage = image[None]\n", ""),
    "luminance made even between split and merge": (
        "y, u, v = cv2.split(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2YUV))\n"
        "image = cv2.merge([cv2.equalizeHist(y), u, v])[None]\n", ""),
    "an array of zeros": (
        "x = np.zeros((1, 160, 320, 3), np.float32)\nx[0] = np.asarray(image) / 255\nimage = x\n",
        ""),
    "an array of zeros for grey": (
        f"x = np.empty([1, 160, 320, 1], dtype='uint8')\nx[0, :, :, 0] = {GREY}\nimage = x\n", ""),
    "the command line's defaults": (
        "image = np.asarray(image)[options.top:-options.bottom]\n"
        "image = (cv2.cvtColor(image, 36) if options.yuv else image)[None]\n", '''
p = argparse.ArgumentParser()
p.add_argument('--top', type=int, default=50)
p.add_argument('-b', '--bottom', type=int, default='20')
p.add_argument('--yuv', action='store_true')
options = p.parse_args([])
'''),
    "an import that falls back": (
        "image = size(np.asarray(image))[None]\n",
        "try: from nowhere_at_all import size\nexcept ImportError: from utils import size\n"),
    "what kind of picture it is": ("image = load(np.asarray(image))[None]\n", '''
def load(img):
    if isinstance(img, str):
        img = cv2.imread(img)
    if img.dtype != np.float32:
        img = img.astype(np.float32)
    h, *_ = img.shape
    return img[h // 2:] if 0 < h < 999 else img
'''),
    "grey three times": (
        "g = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY)\n"
        "image = np.dstack((g, g, g))[None, 60:]\n", ""),
    "grey as channels added up": (
        "x = np.asarray(image)[60:]\nr, g, b = x[:, :, 0], x[:, :, 1], x[:, :, 2]\n"
        "image = ((0.2989 * r + 0.5870 * g + 0.1140 * b) / 255)[None, ..., None]\n", ""),
    "grey as a sum": ("image = np.sum(np.asarray(image) / 3, axis=2, keepdims=True)[None]\n", ""),
    "channels turned by flip": ("image = np.flip(np.asarray(image), axis=-1)[None, 60:]\n", ""),
    "pillow's bands": (
        "r, g, b = image.split()\nimage = np.asarray(Image.merge('RGB', (b, g, r)))[None]\n", ""),
    "a blur by its sigma": (
        "image = cv2.GaussianBlur(np.asarray(image)[60:], (0, 0), 1.2)[None]\n", ""),
    "decoded as RGB": (
        "raw = np.frombuffer(base64.b64decode(data['image']), np.uint8)\n"
        "image = cv2.imdecode(raw, cv2.IMREAD_COLOR_RGB)[None, 60:]\n", ""),
    "a constant that is a float": ("image = (np.asarray(image)[None, 60:] - M) / M\n",
                                   "M = np.float32(128)\n"),
    "indexed by s_, batched by vstack": (
        "image = np.vstack([np.expand_dims(np.asarray(image)[ROI], 0)])\n",
        "ROI = np.s_[60:135, 20:300]\n"),
}  # fmt: skip
FILES |= {
    style: {"drive.py": drive(body + ASK, helpers=helpers), "utils.py": "import cv2\n" + SMALL}
    for style, (body, helpers) in STYLES.items()
}
FILES["packages by their dots"] = {
    "drive.py": drive("image = helpers.preprocessing.size(np.asarray(image))[None]\n" + ASK,
                      "import helpers.preprocessing"),
    "helpers/__init__.py": "", "helpers/preprocessing.py": "import cv2\n" + SMALL,
}  # fmt: skip
