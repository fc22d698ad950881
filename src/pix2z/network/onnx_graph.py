"""Nodes and constants of an ONNX graph, put together one after the other, by onnx alone."""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

__all__ = ["Graph", "float_value"]

OPSET, IR_VERSION = 17, 8
"""Of 2022: any reader of today knows them."""

Shape = Sequence[int | str]


class Graph:
    """A graph that grows; every method that adds to it returns the name of what it made.

    Names are numbers with a word, so that the same graph has the same bytes.
    """

    def __init__(self, parent: "Graph | None" = None) -> None:
        """Begin a graph, or the branch of one, which takes what the parent has made so far."""
        self._numbers: Iterator[int] = parent._numbers if parent else count()
        self._constants: list[TensorProto] = parent._constants if parent else []
        self._nodes: list[onnx.NodeProto] = []

    def constant(self, values: ArrayLike, dtype: Any = np.float32) -> str:
        """Add an array; of a branch, to its parent."""
        name = f"constant_{next(self._numbers)}"
        self._constants.append(numpy_helper.from_array(np.array(values, dtype, order="C"), name))
        return name

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output."""
        (name,) = self.nodes(operator, *inputs, n_outputs=1, **attributes)
        return name

    def nodes(self, operator: str, *inputs: str, n_outputs: int, **attributes: Any) -> list[str]:
        """Add an operator with several outputs."""
        names = [f"{operator}_{next(self._numbers)}" for _ in range(n_outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def named(self, name: str, value: str) -> None:
        """Give a value the name of an output of the graph."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))

    def reshape(self, value: str, *shape: int) -> str:
        """Change the shape; 0 keeps an axis, -1 is what is left."""
        return self.node("Reshape", value, self.constant(shape, np.int64))

    def sum(self, value: str, *axes: int, keepdims: bool = False) -> str:
        """Sum over axes."""
        axes_given = self.constant(axes, np.int64)
        return self.node("ReduceSum", value, axes_given, keepdims=int(keepdims))

    def cut(self, value: str, axis: int, start: int, stop: int, step: int = 1) -> str:
        """Take a slice of one axis."""
        ends = (self.constant([end], np.int64) for end in (start, stop, axis, step))
        return self.node("Slice", value, *ends)

    def without_nan(self, value: str) -> tuple[str, str]:
        """Values with 0 for NaN, and 1 where there was none, else 0."""
        missing = self.node("IsNaN", value)
        zeroed = self.node("Where", missing, self.constant(0.0), value)
        known = self.node("Cast", self.node("Not", missing), to=TensorProto.FLOAT)
        return zeroed, known

    def asinh(self, value: str) -> str:
        """Inverse hyperbolic sine, x / |x| log(|x| + sqrt(x^2 + 1)).

        ONNX Runtime takes eight times as long for its operator Sign, and more for Asinh.
        """
        size = self.node("Abs", value)
        root = self.node(
            "Sqrt", self.node("Add", self.node("Mul", value, value), self.constant(1.0))
        )
        logarithm = self.node("Log", self.node("Add", size, root))
        positive = self.node("Add", size, self.constant(np.finfo(np.float32).tiny))
        return self.node("Mul", self.node("Div", logarithm, positive), value)

    def branch(self, outputs: dict[str, Shape]) -> onnx.GraphProto:
        """Return it as a branch with these outputs, name -> shape."""
        described = [float_value(name, shape) for name, shape in outputs.items()]
        return helper.make_graph(self._nodes, "branch", [], described)

    def model(
        self, inputs: dict[str, Shape], outputs: dict[str, Shape], *, words: str
    ) -> onnx.ModelProto:
        """Return it as a model; `words` say what it takes and gives."""
        graph = helper.make_graph(
            self._nodes,
            "pool",
            [float_value(name, shape) for name, shape in inputs.items()],
            [float_value(name, shape) for name, shape in outputs.items()],
            initializer=self._constants,
            doc_string=words,
        )
        return helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="pix2z",
        )


def float_value(name: str, shape: Shape) -> onnx.ValueInfoProto:
    """Describe a float32 array; a text in its shape is any number."""
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
