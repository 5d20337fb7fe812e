"""The networks have the seeds' shapes, and a network of one's own is checked."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ghostlap.base.errors import ModelError
from ghostlap.pilots.backend import keras
from ghostlap.pilots.models import MODELS, build_model

SHAPE = (66, 200, 3)


def test_pilotnet_is_seed_003s() -> None:
    model = build_model("pilotnet", SHAPE, 1)
    assert model.count_params() == 252_219
    shapes = [tuple(layer.output.shape[1:]) for layer in model.layers]
    assert shapes == [
        (31, 98, 24), (14, 47, 36), (5, 22, 48), (3, 20, 64), (1, 18, 64), (1, 18, 64),
        (1152,), (100,), (100,), (50,), (10,), (1,),
    ]  # fmt: skip
    parameters = [layer.count_params() for layer in model.layers if layer.count_params()]
    assert parameters == [1824, 21636, 43248, 27712, 36928, 115300, 5050, 510, 11]


def test_pilotnet_bn_normalises_before_every_activation() -> None:
    layers = build_model("pilotnet_bn", SHAPE, 1).layers
    activations = [
        i for i, layer in enumerate(layers) if isinstance(layer, keras.layers.Activation)
    ]
    assert len(activations) == 8
    for i in activations:
        assert isinstance(layers[i - 1], keras.layers.BatchNormalization)
        assert not layers[i - 2].use_bias


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("outputs", [1, 2])
def test_every_model_maps_pictures_to_outputs(name: str, outputs: int) -> None:
    model = build_model(name, SHAPE, outputs)
    assert model.output_shape == (None, outputs)
    answers = keras.ops.convert_to_numpy(model(np.zeros((3, *SHAPE), np.float32)))
    assert np.isfinite(answers).all()


OWN = """
import keras
def tiny(input_shape, outputs):
    picture = keras.Input(input_shape)
    mean = keras.layers.GlobalAveragePooling2D()(picture)
    return keras.Model(picture, keras.layers.Dense(outputs)(mean))
def wrong(input_shape, outputs):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten()])
def nothing(input_shape, outputs):
    return None
"""


def test_a_model_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_models.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert build_model("my_models:tiny", SHAPE, 2).output_shape == (None, 2)
    with pytest.raises(ModelError, match=r"my_models:wrong: must map .* to \(None, 1\). Got"):
        build_model("my_models:wrong", SHAPE, 1)
    with pytest.raises(ModelError, match="must return a keras.Model. Got NoneType"):
        build_model("my_models:nothing", SHAPE, 1)
    with pytest.raises(ModelError, match=r"cannot be imported from .* \(No module named 'absent'"):
        build_model("absent:tiny", SHAPE, 1)
    with pytest.raises(ModelError, match="no such model. Choose one of pilotnet, pilotnet_bn"):
        build_model("alexnet", SHAPE, 1)
