"""A bag of small neural networks, which forecasts minutes beside boosted trees (`minutes.py`).

Networks sum up many columns smoothly where trees ask few of them for thresholds, and err elsewhere: the mean of both
is better than either. Each network is scikit-learn's multilayer perceptron (Rumelhart, Hinton and Williams 1986; Adam:
Kingma and Ba 2015); their mean takes away most of what a single one owes to chance (Breiman 1996).
"""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.standardizer import Standardizer

Floats = npt.NDArray[np.float32]
Layers = tuple[Floats, ...]
"""Weights [from, to] and biases [to] of one network, layer by layer."""

HIDDEN = (64, 32)
"""Six of these are as good as four of twice the width, at two thirds of the work."""

_BATCH = 512
_BLOCK = 8192
_PENALTY = 1.0
_RATE = 1e-3
_FARTHEST = 5.0
"""Standard deviations at which columns are cut off."""


@dataclass(frozen=True)
class NetworkBag:
    """Networks on standardised columns; what is unknown stands at its column's mean.

    Attributes:
        columns: names, in order.
        standard: of the columns, float32; one that was never known has a location of NaN and so stays without a say.
        networks: the layers of each.
    """

    columns: tuple[str, ...]
    standard: Standardizer
    networks: tuple[Layers, ...]

    @classmethod
    def fit(
        cls,
        inputs: Floats,
        label: Floats,
        columns: Sequence[str],
        seed: int,
        networks: int,
        epochs: int,
        *,
        start: NetworkBag | None = None,
    ) -> NetworkBag:
        """Networks that differ by the weights they begin with and the order in which they see the rows.

        Args:
            inputs: [rows, columns], NaN where unknown.
            label: [rows].
            columns: names of the inputs.
            seed: of the first of them.
            networks: how many; no more than `start` has.
            epochs: how often each sees every row.
            start: a bag on the same columns, whose networks learn on.
        """
        standard = start.standard if start else standard_of(inputs, _FARTHEST)
        scaled = standard.transform(inputs)
        found = []
        # On one thread the sums have the same bits whatever the number of cores.
        with threadpool_limits(1, user_api="blas"):
            for place in range(networks):
                network = MLPRegressor(
                    hidden_layer_sizes=HIDDEN, alpha=_PENALTY, batch_size=min(_BATCH, len(label)),
                    learning_rate_init=_RATE, random_state=np.random.RandomState(seed + place),
                )  # fmt: skip
                if start is not None:
                    # A first step lays out the layers, whose numbers are then replaced.
                    network.partial_fit(scaled[:_BATCH], label[:_BATCH])
                    for own, learned in zip(_layers(network), start.networks[place], strict=True):
                        own[...] = learned
                for _ in range(epochs):
                    network.partial_fit(scaled, label)
                found.append(tuple(layer.astype(np.float32) for layer in _layers(network)))
        return cls(tuple(columns), standard, tuple(found))

    def predict(self, inputs: Floats) -> Floats:
        """The mean of the networks' forecasts, [rows].

        Summed in double precision and rounded: a row's forecast does not depend on the rows beside it, as the last
        bits of a product of single precision do.
        """
        found = np.empty(len(inputs), dtype=np.float32)
        with threadpool_limits(1, user_api="blas"):
            for first in range(0, len(inputs), _BLOCK):
                rows = slice(first, first + _BLOCK)
                scaled = self.standard.transform(inputs[rows]).astype(np.float64)
                found[rows] = np.mean([_forward(layers, scaled) for layers in self.networks], axis=0)
        return found

    def to_bytes(self) -> bytes:
        """NumPy's own archive of arrays, without pickles; the same bag gives the same bytes."""
        arrays: dict[str, Any] = {
            "columns": np.array(self.columns), "location": self.standard.location, "scale": self.standard.scale,
            **{f"{n}-{place}": layer for n, net in enumerate(self.networks) for place, layer in enumerate(net)},
        }  # fmt: skip
        content = io.BytesIO()
        np.savez(content, **arrays)
        return content.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> NetworkBag:
        """The bag that `to_bytes` wrote.

        Raises:
            PipelineError: when the content is no bag.
        """
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                columns = tuple(str(name) for name in arrays["columns"])
                standard = Standardizer(arrays["location"], arrays["scale"], _FARTHEST)
                places = [name.split("-") for name in arrays.files if "-" in name]
                depths = Counter(int(network) for network, _ in places)
                networks = tuple(tuple(arrays[f"{n}-{place}"] for place in range(depths[n])) for n in sorted(depths))
        except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise PipelineError(f"These bytes are no bag of networks: {error}.") from error
        return cls(columns, standard, networks)


def standard_of(inputs: Floats, farthest: float) -> Standardizer:
    """Of a column that was never known, nothing is learned: it stays unknown when it becomes known."""
    fitted = Standardizer.fit(inputs, farthest)
    location = np.where(np.isfinite(inputs).any(axis=0), fitted.location, np.nan)
    return Standardizer(location.astype(np.float32), fitted.scale.astype(np.float32), farthest)


def _layers(network: MLPRegressor) -> list[Floats]:
    return [layer for pair in zip(network.coefs_, network.intercepts_, strict=True) for layer in pair]


def _forward(layers: Layers, inputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    for weights, bias in zip(layers[:-2:2], layers[1:-2:2], strict=True):
        inputs = np.maximum(inputs @ weights + bias, 0)
    return np.asarray((inputs @ layers[-2] + layers[-1])[:, 0])
