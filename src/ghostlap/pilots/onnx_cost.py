"""The cost of a node of an ONNX graph, by the shapes of its inputs and outputs."""

from __future__ import annotations

import math
from typing import Any

Shape = tuple[int, ...]

MOST_AXES = 16

_OPERATORS = (
    # One value from one, or from several of other tensors.
    "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr "
    "BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh Div Elu Equal Erf Exp Floor Gelu Greater "
    "GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log Max "
    "Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin "
    "Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor "
    # Layers.
    "AveragePool BatchNormalization Conv ConvInteger ConvTranspose Dropout Einsum GRU Gemm "
    "GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization Hardmax "
    "InstanceNormalization LRN LSTM LayerNormalization LogSoftmax LpNormalization LpPool MatMul "
    "MatMulInteger MaxPool MeanVarianceNormalization QLinearConv QLinearMatMul RMSNormalization "
    "RNN Softmax DequantizeLinear DynamicQuantizeLinear QuantizeLinear "
    # Over an axis.
    "ArgMax ArgMin CumSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean "
    "ReduceMin ReduceProd ReduceSum ReduceSumSquare TopK "
    # Shapes and places.
    "Concat Constant ConstantOfShape DepthToSpace Expand EyeLike Flatten Gather GatherElements "
    "GatherND GridSample OneHot Pad Range Reshape Resize ScatterElements ScatterND Shape Size "
    "Slice SpaceToDepth Split Squeeze Tile Transpose Trilu Unsqueeze Upsample "
    # Chance, of networks that drop out while they drive.
    "Bernoulli RandomNormal RandomNormalLike RandomUniform RandomUniformLike"
)
KNOWN_OPERATORS = frozenset(_OPERATORS.split())
"""Operators allowed: ONNX' own without loops, conditions, texts, sequences, unknown sizes."""

_POOLS = ("AveragePool", "MaxPool", "LpPool")
_WINDOWS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
_PRODUCTS = ("MatMul", "MatMulInteger", "QLinearMatMul")
_RECURRENT = ("RNN", "GRU", "LSTM")


class NotBounded(ValueError):
    """A network may not run; the text says why."""


def work_of(node: Any, inputs: list[Shape], outputs: list[Shape]) -> float:
    """Number of multiplications of a node, or of values that it visits if they are more.

    Raises:
        NotBounded: the number cannot be known.
    """
    made = float(sum(map(math.prod, outputs)))
    taken = float(sum(map(math.prod, inputs)))
    kind = node.op_type
    if kind in _WINDOWS and len(inputs) > _WINDOWS[kind]:
        return made * math.prod(inputs[_WINDOWS[kind]][1:])
    if kind == "ConvTranspose" and len(inputs) > 1:
        return math.prod(inputs[0]) * float(math.prod(inputs[1][1:])) + made
    if kind in _POOLS:
        return made * math.prod(_ints(node, "kernel_shape"))
    if kind in _PRODUCTS and inputs[0]:
        return made * inputs[0][-1] + taken
    if kind == "Gemm":
        return made * max(inputs[0], default=1) + taken
    if kind in _RECURRENT and len(inputs) > 2 and len(inputs[0]) == 3:
        weights = math.prod(inputs[1]) + math.prod(inputs[2])
        return float(weights * inputs[0][0] * inputs[0][1])
    if kind == "Einsum":
        return _einsum_work(node, inputs)
    if kind in ("LRN", "TopK"):
        return taken * max(32, *(one.i for one in node.attribute))
    return made + taken


def _einsum_work(node: Any, inputs: list[Shape]) -> float:
    """Multiplications of an Einsum: the product of the sizes of all its letters."""
    equation = next(
        (one.s.decode("latin-1") for one in node.attribute if one.name == "equation"), ""
    )
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, inputs, strict=False):
        if "." in term or len(term) != len(shape):
            raise NotBounded(f"how much work its Einsum {equation[:40]!r} is cannot be known")
        sizes.update(zip(term, shape, strict=True))
    return float(math.prod(sizes.values()))


def _ints(node: Any, name: str) -> list[int]:
    return next((list(one.ints) for one in node.attribute if one.name == name), [])
