"""What a saliency map is worth: two checks of the map itself.

**Sanity** (Adebayo et al., arXiv 1810.03292): does the map depend on what was learned? The weights
of the convolutions are shuffled, and the map is compared with the trained network's. A map that
stays the same is an edge detector. The dense layers take no part in VisualBackProp, so shuffling
those would not change it at all; that is a limit of the method, and no check is needed to see it.

**Faithfulness**: does what is salient matter? The most salient tenth of the picture is blurred away
and the change of steering is compared with that of hiding as much elsewhere. *Elsewhere* is the
same shape moved to a random place, so that neither its size nor its edges make the difference; that
may be empty road, which is easy to beat. Harder to beat are the places with the strongest edges,
and those that the map of the shuffled network points at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from ghostlap.data.frame_sampling import SampledFrames
from ghostlap.data.vision.pictures import Rgb
from ghostlap.data.vision.preprocessing import crop
from ghostlap.pilots.onnx_check import check_network, read_network
from ghostlap.pilots.pilot import Pilot
from ghostlap.pilots.run_folder import run_file
from ghostlap.pilots.saliency import SALIENCY_FILE, Saliency
from ghostlap.pilots.saliency_graph import PREFIX

SHUFFLES = 3
"""Times that all kernels are shuffled."""

HIDDEN_SHARE = 0.1
"""Share that is hidden of the rows that the pilot sees."""

PLACES = 8
"""Random places that the hidden shape is moved to, for each frame."""

_EDGES_ABOUT_PX = 6.0
"""Edges are summed so far around a pixel, which makes patches like those of a map."""

_BLUR_PX = 12.0
"""Standard deviation: of road, edge and verge only a smear is left."""

Maps = NDArray[np.float32]


def sanity(folder: Path, saliency: Saliency, sampled: SampledFrames, seed: int) -> dict[str, Any]:
    """Compare maps with those of the same network with its convolutions' weights shuffled.

    Returns:
        JSON values: medians over frames of the rank correlation (1: the same order of all pixels)
        and of the overlap of the most salient tenths (1: the same pixels; 0.1: by chance). With
        ``deepest_first``, more and more convolutions are shuffled, from the deepest up; ``all`` is
        the mean over :data:`SHUFFLES`. ``mean_map`` compares with the mean over all frames, which
        shows how much of a map is the same whatever is seen; ``edges`` with the picture's edges.
    """
    maps = saliency.maps(sampled.frames)
    model = onnx.load_model_from_string(read_network(run_file(folder, SALIENCY_FILE)).data)
    kernels = _kernels(model)

    def shuffled(names: list[str], shuffle: int) -> dict[str, float]:
        other = _shuffled(model, names, [seed, shuffle], saliency)
        return compare(maps, other.maps(sampled.frames))

    repeats = [shuffled(kernels, shuffle) for shuffle in range(SHUFFLES)]
    everything = {key: float(np.mean([one[key] for one in repeats])) for key in repeats[0]}
    edges = np.stack([_edges(crop(frame, saliency.preprocessing)) for frame in sampled.frames])
    return {
        "frames": len(maps),
        "convolutions": len(kernels),
        "all": everything,
        "deepest_first": [shuffled(kernels[-count:], 0) for count in range(1, len(kernels) + 1)],
        "mean_map": compare(maps, np.broadcast_to(maps.mean(axis=0), maps.shape)),
        "edges": compare(maps, edges),
    }


def compare(ours: Maps, others: Maps) -> dict[str, float]:
    """Medians over frames: ``rank_correlation`` and ``overlap_of_top_tenth``."""
    pairs = list(zip(ours, others, strict=True))
    return {
        "rank_correlation": float(np.median([rank_correlation(a, b) for a, b in pairs])),
        "overlap_of_top_tenth": float(np.median([_overlap(a, b) for a, b in pairs])),
    }


def rank_correlation(a: Maps, b: Maps) -> float:
    """Spearman's rank correlation; 0 where one of them is the same everywhere."""
    ranks = [_ranks(values) for values in (a, b)]
    spread = ranks[0].std() * ranks[1].std()
    return float(np.mean(ranks[0] * ranks[1]) / spread) if spread > 0 else 0.0


def _ranks(values: Maps) -> NDArray[np.float64]:
    """Ranks about their mean; equal values share one."""
    _, inverse, counts = np.unique(values.ravel(), return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts + 1) / 2)[inverse]
    return ranks - ranks.mean()


def _overlap(a: Maps, b: Maps) -> float:
    tops = [_most(values, HIDDEN_SHARE) for values in (a, b)]
    return float((tops[0] & tops[1]).sum() / tops[0].sum())


def _most(values: NDArray[np.floating], share: float) -> NDArray[np.bool_]:
    """The largest values, exactly this share of them."""
    chosen = np.zeros(values.size, bool)
    chosen[np.argsort(values, axis=None, kind="stable")[-round(share * values.size) :]] = True
    return chosen.reshape(values.shape)


def _kernels(model: onnx.ModelProto) -> list[str]:
    """The weights of all convolutions, in the order in which they are computed."""
    there = {tensor.name for tensor in model.graph.initializer}
    names = [node.input[1] for node in model.graph.node if node.op_type == "Conv"]
    return [name for name in dict.fromkeys(names) if name in there and PREFIX not in name]


def shuffled_network(folder: Path, saliency: Saliency, seed: int) -> Saliency:
    """The network of a run folder with the weights of all its convolutions in random order."""
    model = onnx.load_model_from_string(read_network(run_file(folder, SALIENCY_FILE)).data)
    return _shuffled(model, _kernels(model), [seed, 0], saliency)


def _shuffled(
    model: onnx.ModelProto, names: list[str], seed: list[int], saliency: Saliency
) -> Saliency:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    rng = np.random.default_rng(seed)
    for tensor in copy.graph.initializer:
        if tensor.name in names:
            weights = numpy_helper.to_array(tensor)
            mixed = rng.permutation(weights.ravel()).reshape(weights.shape)
            tensor.CopyFrom(numpy_helper.from_array(mixed, tensor.name))
    network = check_network(copy.SerializeToString(), f"{SALIENCY_FILE}, shuffled")
    return Saliency(network, saliency.preprocessing)


def _edges(rows: Rgb) -> Maps:
    """How strongly the brightness changes, as finely as maps can be."""
    grey = cv2.GaussianBlur(cv2.cvtColor(rows, cv2.COLOR_RGB2GRAY), (0, 0), 1.5)
    return np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))


def faithfulness(
    pilot: Pilot, maps: Maps, shuffled_maps: Maps, sampled: SampledFrames, seed: int
) -> dict[str, Any]:
    """Hide what is salient, and as much elsewhere, and compare what it does to the steering.

    Returns:
        JSON values: medians over frames of the absolute change of steering with the tenth of the
        picture hidden that is ``most_salient``, that has the same shape ``elsewhere`` (the mean
        over :data:`PLACES` places), has the strongest ``edges``, is most salient to the
        ``shuffled_network``, and is ``least_salient``; and ``above``, the shares of frames in which
        hiding what is salient changes more than each of these.
    """
    rng = np.random.default_rng(seed)
    names = ("most_salient", "edges", "shuffled_network", "least_salient", "elsewhere")
    changes = np.empty((len(maps), len(names)))
    for i, frame in enumerate(sampled.frames):
        rows = crop(frame, pilot.preprocessing)
        edges = np.asarray(cv2.GaussianBlur(_edges(rows), (0, 0), _EDGES_ABOUT_PX), np.float32)
        masks = [_most(one, HIDDEN_SHARE) for one in (maps[i], edges, shuffled_maps[i], -maps[i])]
        moves = rng.integers(0, masks[0].shape, (PLACES, 2))
        masks += [np.roll(masks[0], tuple(move), axis=(0, 1)) for move in moves]
        smear = cv2.GaussianBlur(rows, (0, 0), _BLUR_PX)
        hidden = [np.where(mask[..., None], smear, rows) for mask in masks]
        answers = pilot.predict_cropped([rows, *hidden])[:, 0].astype(np.float64)
        change = np.abs(answers[1:] - answers[0])
        changes[i] = *change[:-PLACES], change[-PLACES:].mean()
    above = (changes[:, :1] > changes[:, 1:]).mean(axis=0)
    return {
        "frames": len(maps),
        "hidden_share": HIDDEN_SHARE,
        "change": dict(zip(names, np.median(changes, axis=0).tolist(), strict=True)),
        "above": dict(zip(names[1:], above.tolist(), strict=True)),
    }
