"""The bag of networks that forecasts minutes beside the trees."""

from __future__ import annotations

import numpy as np
import pytest

from statmuse_pipeline.domain import PipelineError
from statmuse_pipeline.features.networks import NetworkBag

COLUMNS = tuple(f"c{place}" for place in range(6))


def made_up(seed: int, rows: int = 20_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, what they are worth on average (a product among it), and what came of them."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(3, 2, (rows, len(COLUMNS))).astype(np.float32)
    worth = ((inputs[:, 0] - 3) * (inputs[:, 1] - 3) / 2 + inputs[:, 2]).astype(np.float32)
    return inputs, worth, (worth + rng.normal(0, 1, rows)).astype(np.float32)


@pytest.fixture(scope="module")
def bag() -> NetworkBag:
    inputs, _, label = made_up(1)
    return NetworkBag.fit(inputs, label, COLUMNS, seed=1, networks=6, epochs=10)


def error(forecast: np.ndarray, worth: np.ndarray) -> float:
    return float(np.sqrt(np.mean((forecast - worth) ** 2)))


def test_products_of_columns_are_learned(bag: NetworkBag) -> None:
    inputs, worth, label = made_up(2)
    straight = np.linalg.lstsq(np.column_stack([np.ones(len(inputs)), inputs]), label)[0]
    line = np.column_stack([np.ones(len(inputs)), inputs]) @ straight
    assert error(bag.predict(inputs), worth) < 0.4 * error(line, worth)


def test_the_forecast_is_the_mean_of_the_networks_worked_out_by_hand(bag: NetworkBag) -> None:
    inputs = made_up(3, rows=5)[0]
    for row, forecast in zip(inputs, bag.predict(inputs), strict=True):
        told = []
        for first, b1, second, b2, last, b3 in bag.networks:
            values = (row - bag.standard.location) / bag.standard.scale
            for weights, bias in ((first, b1), (second, b2)):
                values = [max(0.0, sum(v * w for v, w in zip(values, column, strict=True)) + b)
                          for column, b in zip(weights.T, bias, strict=True)]  # fmt: skip
            told.append(sum(v * w for v, w in zip(values, last[:, 0], strict=True)) + b3[0])
        assert len(told) == 6
        assert len(set(told)) == 6
        assert forecast == pytest.approx(np.mean(told), rel=1e-4, abs=1e-4)


def test_what_is_unknown_counts_as_the_mean_of_its_column_and_what_is_odd_is_cut_off(bag: NetworkBag) -> None:
    inputs = made_up(4, rows=50)[0]
    unknown, mean = inputs.copy(), inputs.copy()
    unknown[:, 2], mean[:, 2] = np.nan, bag.standard.location[2]
    np.testing.assert_allclose(bag.predict(unknown), bag.predict(mean), rtol=1e-5, atol=1e-5)
    odd, odder = inputs.copy(), inputs.copy()
    odd[:, 0], odder[:, 0] = 1e3, 1e6
    np.testing.assert_array_equal(bag.predict(odd), bag.predict(odder))


def test_a_column_that_is_never_known_or_never_changes_is_no_obstacle() -> None:
    inputs, worth, label = made_up(5)
    inputs[:, 4], inputs[:, 5] = np.nan, 7.0
    bag = NetworkBag.fit(inputs, label, COLUMNS, seed=1, networks=6, epochs=8)
    assert error(bag.predict(inputs), worth) < 0.5 * worth.std()
    known = made_up(5)[0]
    known[:, 5] = 7.0
    np.testing.assert_array_equal(bag.predict(known), bag.predict(inputs))


def test_it_comes_back_from_its_bytes_and_the_same_rows_give_the_same_bytes(bag: NetworkBag) -> None:
    again = NetworkBag.from_bytes(bag.to_bytes())
    inputs, _, label = made_up(1)
    np.testing.assert_array_equal(again.predict(inputs), bag.predict(inputs))
    assert again.columns == COLUMNS
    assert NetworkBag.fit(inputs, label, COLUMNS, seed=1, networks=6, epochs=10).to_bytes() == bag.to_bytes()
    assert NetworkBag.fit(inputs, label, COLUMNS, seed=9, networks=6, epochs=10).to_bytes() != bag.to_bytes()


def test_learning_on_keeps_what_was_learned_before(bag: NetworkBag) -> None:
    inputs, _, label = made_up(6, rows=1000)
    later = made_up(7)
    helped = NetworkBag.fit(inputs, label, COLUMNS, seed=1, networks=6, epochs=2, start=bag)
    alone = NetworkBag.fit(inputs, label, COLUMNS, seed=1, networks=6, epochs=2)
    assert error(helped.predict(later[0]), later[1]) < 0.5 * error(alone.predict(later[0]), later[1])
    np.testing.assert_array_equal(helped.standard.location, bag.standard.location)
    # It does learn: from rows in which everything is worth three more, it learns just that.
    shifted = NetworkBag.fit(inputs, label + 3, COLUMNS, seed=1, networks=6, epochs=20, start=bag)
    assert np.mean(shifted.predict(later[0]) - later[1]) > 2


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 torn"])
def test_other_bytes_are_refused_in_words(content: bytes) -> None:
    with pytest.raises(PipelineError, match="no bag of networks"):
        NetworkBag.from_bytes(content)
