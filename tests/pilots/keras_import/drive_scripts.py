"""Scripts as students write them around a model, each by its style; written for these tests.

``FILES`` maps a style to its files, of which ``drive.py`` is the script. They are run here, as the
truth, with :func:`seen_by`; Ghostlap only reads them.
"""

from __future__ import annotations

import base64
import sys
import types
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SERVER = """
import argparse, base64, os, shutil
from datetime import datetime
from io import BytesIO
import cv2
import eventlet.wsgi
import numpy as np
import socketio
from flask import Flask
from PIL import Image
from keras.models import load_model
{imports}
sio = socketio.Server()
app = Flask(__name__)
model = None
prev_image_array = None
MAX_SPEED, MIN_SPEED = 25, 10
speed_limit = MAX_SPEED

{helpers}

@sio.on('telemetry')
def telemetry(sid, data):
    global speed_limit
    if data:
        steering_angle = float(data["steering_angle"])
        throttle = float(data["throttle"])
        speed = float(data["speed"])
        image = Image.open(BytesIO(base64.b64decode(data["image"])))
        if args.image_folder != '':
            timestamp = datetime.utcnow().strftime('%Y_%m_%d_%H_%M_%S_%f')[:-3]
            image.save('{{}}.jpg'.format(os.path.join(args.image_folder, timestamp)))
        try:
{body}
            if speed > speed_limit:
                speed_limit = MIN_SPEED
            else:
                speed_limit = MAX_SPEED
            throttle = 1.0 - steering_angle ** 2 - (speed / speed_limit) ** 2
            print('{{}} {{}} {{}}'.format(steering_angle, throttle, speed))
            send_control(steering_angle, throttle)
        except Exception as e:
            print(e)
            raise
    else:
        sio.emit('manual', data={{}}, skip_sid=True)


@sio.on('connect')
def connect(sid, environ):
    print("connect ", sid)
    send_control(0, 0)


def send_control(steering_angle, throttle):
    sio.emit("steer", data={{
        'steering_angle': steering_angle.__str__(),
        'throttle': throttle.__str__()
    }}, skip_sid=True)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description='Remote Driving')
    parser.add_argument('model', type=str, help='Path to model h5 file.')
    parser.add_argument('image_folder', type=str, nargs='?', default='')
    args = parser.parse_args()
    model = load_model(args.model)
    if args.image_folder != '':
        if not os.path.exists(args.image_folder):
            os.makedirs(args.image_folder)
        else:
            shutil.rmtree(args.image_folder)
    app = socketio.Middleware(sio, app)
    eventlet.wsgi.server(eventlet.listen(('', 4567)), app)
"""


def drive(body: str, imports: str = "", helpers: str = "") -> str:
    lines = "\n".join(" " * 12 + line for line in body.strip("\n").split("\n"))
    return SERVER.format(imports=imports, helpers=helpers, body=lines)


ASK = "steering_angle = float(model.predict(image, batch_size=1))"

FILES: dict[str, dict[str, str]] = {
    "starter: the raw frame": {"drive.py": drive(
        "image_array = np.asarray(image)\n"
        "steering_angle = float(model.predict(image_array[None, :, :, :], batch_size=1))"
    )},
    "utils with crop, resize, yuv by area": {
        "drive.py": drive(
            "image = utils.preprocess(np.asarray(image))\nimage = np.array([image])\n" + ASK,
            "import utils"),
        "utils.py": '''
import cv2, os
import numpy as np
import matplotlib.image as mpimg

IMAGE_HEIGHT, IMAGE_WIDTH, IMAGE_CHANNELS = 66, 200, 3
INPUT_SHAPE = (IMAGE_HEIGHT, IMAGE_WIDTH, IMAGE_CHANNELS)

def load_image(data_dir, image_file):
    return mpimg.imread(os.path.join(data_dir, image_file.strip()))

def crop(image):
    """Remove the sky at the top and the car front at the bottom"""
    return image[60:-25, :, :]

def resize(image):
    return cv2.resize(image, (IMAGE_WIDTH, IMAGE_HEIGHT), cv2.INTER_AREA)

def rgb2yuv(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2YUV)

def preprocess(image):
    image = crop(image)
    image = resize(image)
    image = rgb2yuv(image)
    return image

def batch_generator(data_dir, image_paths, steering_angles, batch_size, is_training):
    images = np.empty([batch_size, IMAGE_HEIGHT, IMAGE_WIDTH, IMAGE_CHANNELS])
    while True:
        i = 0
        for index in np.random.permutation(image_paths.shape[0]):
            images[i] = preprocess(load_image(data_dir, image_paths[index]))
            i += 1
            if i == batch_size:
                break
        yield images
''',
    },
    "yuv, blur, size, by 255": {"drive.py": drive(
        "image = img_preprocess(np.asarray(image))\nimage = np.array([image])\n" + ASK,
        helpers='''
def img_preprocess(img):
    img = img[60:135,:,:]
    img = cv2.cvtColor(img, cv2.COLOR_RGB2YUV)
    img = cv2.GaussianBlur(img,  (3, 3), 0)
    img = cv2.resize(img, (200, 66))
    img = img/255
    return img
''')},
    "crop by shares of the shape": {"drive.py": drive(
        "x = np.asarray(image)\nx = preprocess(x)\nsteering_angle = float(model.predict(x[None]))",
        helpers='''
def preprocess(image, new_row=64, new_col=64):
    shape = image.shape
    image = image[int(shape[0]/5):shape[0]-25, 0:shape[1]]
    image = cv2.resize(image, (new_col, new_row), interpolation=cv2.INTER_AREA)
    return image
''')},
    "crop by math.floor": {"drive.py": drive(
        "image = crop_resize(np.array(image))\n"
        "image = image[np.newaxis, ...].astype('float32') / 255.0 - .5\n" + ASK,
        "import math", '''
def crop_resize(img):
    top = math.floor(img.shape[0] * 0.35)
    bottom = img.shape[0] - math.floor(img.shape[0] * .1)
    return cv2.resize(img[top:bottom, :], (64, 32))
''')},
    "saturation alone, 32 by 16": {"drive.py": drive('''
image_pre = np.asarray(image)
image_pre = cv2.cvtColor(image_pre, cv2.COLOR_RGB2HSV)[:, :, 1]
image_pre = cv2.resize(image_pre, (32, 16))
image_pre = image_pre.reshape(1, 16, 32, 1)
steering_angle = float(model.predict(image_pre, batch_size=1))
''')},
    "grey, normalised about 0": {"drive.py": drive('''
img = np.asarray(image)
img = cv2.cvtColor(img, cv2.COLOR_RGB2GRAY)
img = cv2.resize(img[50:140, :], (32, 32))
img = (img - 128.) / 128.
img = np.reshape(img, (1, 32, 32, 1))
steering_angle = float(model.predict(img, batch_size=1))
''')},
    "BGR as in training, by split": {"drive.py": drive('''
image_array = np.asarray(image)
r, g, b = cv2.split(image_array)
image_array = cv2.merge([b, g, r])
image_array = image_array[20:140]
steering_angle = float(model.predict(image_array[None, :, :, :], batch_size=1))
''')},
    "BGR by slices": {"drive.py": drive(
        "image = np.asarray(image)[:, :, ::-1]\n"
        "image = cv2.resize(image[50:-20, 20:300], (160, 80))[None]\n" + ASK)},
    "pillow crops and resizes": {"drive.py": drive('''
image = image.crop((0, 60, 320, 140))
image = image.resize((160, 40), Image.BILINEAR)
image = np.array(image, dtype=np.float32)
image = image / 127.5 - 1.0
image = np.expand_dims(image, axis=0)
''' + ASK)},
    "pillow's antialias and a frame kept whole": {"drive.py": drive('''
w, h = image.size
image = image.resize((w // 2, h // 2), resample=Image.LANCZOS)
image = np.asarray(image)[None, 20:70]
''' + ASK)},
    "pillow without a filter": {"drive.py": drive(
        "image = np.asarray(image.resize((200, 66)))[None, :, :, :]\n" + ASK)},
    "model.py's names and constants of config.py": {
        "drive.py": drive(
            "image = preprocess_image(np.asarray(image))\n"
            "image = image.reshape(-1, IMAGE_HEIGHT, IMAGE_WIDTH, 3)\n" + ASK,
            "from model import preprocess_image, IMAGE_HEIGHT, IMAGE_WIDTH"),
        "config.py": "TOP, BOTTOM = 50, 20\nSIZE = {'height': 66, 'width': 200}\n",
        "model.py": '''
import csv
import cv2
import config
from config import SIZE
IMAGE_HEIGHT = SIZE['height']
IMAGE_WIDTH = SIZE.get('width')

def preprocess_image(img):
    cropped = img[config.TOP:img.shape[0] - config.BOTTOM]
    cropped = cv2.GaussianBlur(cropped, (5, 5), 0)
    return cv2.resize(cropped, (IMAGE_WIDTH, IMAGE_HEIGHT), interpolation=cv2.INTER_CUBIC)

def main():
    samples = []
    with open('driving_log.csv') as f:
        for line in csv.reader(f):
            samples.append(line)
    return samples

if __name__ == '__main__':
    main()
''',
    },
    "a class with methods": {
        "drive.py": drive(
            "image = pre.process(np.asarray(image))\n" + ASK,
            "from helpers.preprocessing import Preprocessor",
            "pre = Preprocessor(rows=(55, 135), size=(64, 64))"),
        "helpers/__init__.py": "",
        "helpers/preprocessing.py": '''
import cv2 as cv
import numpy
class Base(object):
    SCALE = 255.
    def crop(self, im):
        return im[self.rows[0]:self.rows[1], :, :]
class Preprocessor(Base):
    def __init__(self, rows, size=(200, 66), flip=False):
        self.rows = rows
        self.size = size
        self.flip = flip
    @staticmethod
    def colour(im):
        return cv.cvtColor(im, cv.COLOR_RGB2HSV)
    def process(self, im):
        im = self.colour(self.crop(im))
        if self.flip:
            im = numpy.fliplr(im)
        im = cv.resize(im, self.size)
        return (im.astype(numpy.float32) / self.SCALE)[None]
''',
    },
    "roi, alias, one line": {"drive.py": drive(
        "roi = np.asarray(image)[40:140, :]\nf = lambda im: cv2.resize(im, (64, 64))\n"
        "image = f(roi)[None]\n" + ASK)},
    "bytes by OpenCV": {"drive.py": drive('''
raw = base64.b64decode(data["image"])
bgr = cv2.imdecode(np.frombuffer(raw, dtype=np.uint8), cv2.IMREAD_COLOR)
yuv = cv2.cvtColor(bgr[60:135], cv2.COLOR_BGR2YUV)
image = cv2.resize(yuv, (200, 66), interpolation=cv2.INTER_AREA)[np.newaxis]
''' + ASK)},
    "the wrong order of colours, as it was trained": {"drive.py": drive('''
bgr = cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2BGR)
yuv = cv2.cvtColor(bgr, cv2.COLOR_RGB2YUV)
image = np.array([cv2.resize(yuv[70:, :], (200, 66)) / 255.])
''' + ASK)},
    "half the size first, then rows of that": {"drive.py": drive('''
image = np.asarray(image)
image = cv2.resize(image, (0, 0), fx=0.5, fy=0.5)
image = image[30:65, :, :]
image = np.asarray([image / 255.0 - 0.5])
''' + ASK)},
    "every second pixel": {"drive.py": drive(
        "image = np.asarray(image)[::2, ::2, :][30:, :, :][np.newaxis, :]\n" + ASK)},
    "means of the channels taken off": {"drive.py": drive('''
image = np.asarray(image).astype(np.float32)
image -= np.array([123.68, 116.779, 103.939])
image = cv2.resize(image, (80, 80))[None]
''' + ASK)},
    "a misplaced border is a sigma": {"drive.py": drive('''
img = cv2.GaussianBlur(np.asarray(image), (5, 5), cv2.BORDER_DEFAULT)
img = cv2.medianBlur(img, 3)
image = np.array([cv2.resize(img[60:140], (100, 50), interpolation=cv2.INTER_LINEAR)])
''' + ASK)},
    "luminance alone of yuv": {"drive.py": drive('''
y, u, v = cv2.split(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2YUV))
image = cv2.resize(y[60:140], (64, 32))[None, :, :, None] / 127.5 - 1
''' + ASK)},
    "grey by weights": {"drive.py": drive('''
grey = np.dot(np.asarray(image)[..., :3], [0.299, 0.587, 0.114])
image = (grey[60:140, :] / 255.)[None, :, :, None]
''' + ASK)},
    "floats before colours": {"drive.py": drive('''
img = np.float32(np.asarray(image)[60:135] / 255.0)
img = cv2.cvtColor(img, cv2.COLOR_RGB2YUV)
image = cv2.resize(img, (200, 66))[None]
''' + ASK)},
    "hue, saturation and value of floats": {"drive.py": drive('''
img = cv2.resize(np.asarray(image)[60:135], (64, 64), interpolation=cv2.INTER_NEAREST)
img = cv2.cvtColor((img / 255.).astype('float32'), cv2.COLOR_RGB2HSV)[:, :, 1:2]
image = np.array([img])
''' + ASK)},
    "the last frames kept, one used": {"drive.py": drive(
        "image = make(np.asarray(image))\n" + ASK, helpers='''
history = []
def make(img, keep=3):
    img = cv2.resize(img[60:140], (160, 40))
    history.append(img)
    if len(history) > keep:
        history.pop(0)
    return np.expand_dims(img, 0)
''')},
    "channels first": {"drive.py": drive('''
image = np.asarray(image)[60:140]
image = np.transpose(image, (2, 0, 1))
image = image.reshape((1,) + image.shape)
''' + ASK)},
    "augmentation that is switched off": {
        "drive.py": drive("image = load(np.asarray(image), training=False)[None]\n" + ASK,
                          "from data import *"),
        "data.py": '''
import numpy as np
import cv2
ROWS = slice(60, 140)
def _brighten(image):
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[:, :, 2] = hsv[:, :, 2] * np.random.uniform(.3, 1.2)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
def load(image, training=True, **kwargs):
    if training and np.random.rand() > .5:
        image = _brighten(image)
    steps = [lambda im: im[ROWS], lambda im: cv2.resize(im, (200, 66)),
             lambda im: cv2.cvtColor(im, cv2.COLOR_RGB2LAB)]
    for step in steps:
        image = step(image)
    return image
''',
    },
    "steering in degrees": {"drive.py": drive(
        "image = cv2.resize(np.asarray(image), (64, 64))[None]\n"
        "steering_angle = float(model.predict(image)[0][0]) / 25.")},
}  # fmt: skip

FILES["python 2"] = {"drive.py": FILES["crop by shares of the shape"]["drive.py"]
                     .replace("print(e)", "print e").replace("int(shape[0]/5)", "shape[0]/5")
                     .replace("print(\"connect \", sid)", "print \"connect \", sid")}  # fmt: skip
FILES["python 2"]["run.py"] = FILES["crop by shares of the shape"]["drive.py"]

MODULE = """
import cv2, numpy as np
from keras.models import load_model

class Pilot:
    def __init__(self, path):
        self.model = load_model(path)
    def steer(self, frame):
        return self.model.predict(self.prepare(frame))[0]
    def prepare(self, frame, top=60):
        return np.array([cv2.resize(frame[top:135], (200, 66))], dtype='float32') / 255
"""
FILES["a module without a server"] = {"drive.py": MODULE}
FILES["socketio's handlers by name"] = {
    "drive.py": drive("image = np.asarray(image)[None, 60:140]\n" + ASK)
    .replace("@sio.on('telemetry')\n", "")
    .replace("    app = socketio.M", "    sio.on('telemetry', telemetry)\n    app = socketio.M")
}


def write(folder: Path, style: str) -> Path:
    """The style's files in a folder; gives its script."""
    for name, text in FILES[style].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "drive.py"


class _Steering(float):
    def __getitem__(self, _: int) -> _Steering:
        return self


class _Model:
    seen: Any = None

    def predict(self, x: Any, *_: Any, **__: Any) -> Any:
        self.seen = np.array(x, copy=True)
        return _Steering(0)


class _Server:
    handlers: dict[str, Any]

    def __init__(self) -> None:
        self.handlers = {}

    def on(self, event: str, handler: Any = None) -> Any:
        def register(function: Any) -> Any:
            self.handlers[event] = function
            return function

        return register(handler) if handler else register

    def emit(self, *_: Any, **__: Any) -> None:
        pass


def seen_by(script: Path, frame: NDArray[np.uint8], monkeypatch: Any) -> NDArray[Any]:
    """What the network sees when the script is run, with all that it talks to exchanged."""
    model, server = _Model(), _Server()
    modules: dict[str, dict[str, Any]] = {
        "socketio": {"Server": lambda *_, **__: server, "Middleware": lambda *_: None},
        "eventlet": {"listen": lambda *_: None}, "eventlet.wsgi": {"server": lambda *_: None},
        "flask": {"Flask": lambda *_: None},
        "keras": {}, "keras.models": {"load_model": lambda *_, **__: model},
    }  # fmt: skip
    for name, members in modules.items():
        module = types.ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    sys.modules["eventlet"].wsgi = sys.modules["eventlet.wsgi"]  # type: ignore[attr-defined]
    monkeypatch.setattr(sys, "argv", ["drive.py", "model.h5"])
    monkeypatch.syspath_prepend(script.parent)
    for name in ("utils", "config", "model", "helpers", "helpers.preprocessing", "data"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    run = script.with_name("run.py") if script.with_name("run.py").exists() else script
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(run.read_text(), str(run), "exec"), names)
    if "telemetry" in server.handlers:
        png = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1].tobytes()
        image = base64.b64encode(png).decode()
        data = {"steering_angle": "0", "throttle": "0", "speed": "9", "image": image}
        server.handlers["telemetry"]("sid", data)
    else:
        names["Pilot"]("model.h5").steer(frame)
    for name in ("utils", "config", "model", "helpers", "helpers.preprocessing", "data"):
        sys.modules.pop(name, None)
    found = model.seen
    assert found is not None
    return np.asarray(found)
