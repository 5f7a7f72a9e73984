"""Saved models: what is written is what is read, and nothing else is believed."""

import copy
import json
import os
import random

import numpy as np
import pytest

import autodiff as ad
from autodiff.fit.errors import DataError, FitError, UsageError
from autodiff.fit.output.saved import load_model, save_model

X = np.linspace(0.0, 5.0, 30)
Y = 3.0 * np.exp(-0.7 * X) + 0.5 + 0.02 * np.sin(17 * X)


@pytest.fixture(scope="module")
def result():
    return ad.fit("y ~ a*exp(-b*x) + c", {"x": X, "y": Y})


@pytest.fixture
def saved(result, tmp_path):
    path = tmp_path / "model.json"
    save_model(result, str(path))
    return path


def test_a_loaded_model_predicts_the_same_bits(result, saved):
    new = {"x": [0.0, 1.5, 20.0]}
    before, after = result.predict(new), load_model(str(saved)).predict(new)
    for left, right in zip(before, after, strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_model_holds_no_data(saved):
    assert repr(Y[3]) not in saved.read_text()


def test_saving_twice_writes_the_same_bytes(result, saved, tmp_path):
    save_model(result, str(tmp_path / "again.json"))
    assert (tmp_path / "again.json").read_bytes() == saved.read_bytes()


def test_a_fit_without_an_answer_is_not_saved(tmp_path):
    bad = ad.fit("y ~ a*x + b + c", {"x": X, "y": Y})
    with pytest.raises(DataError, match="not determinable"):
        save_model(bad, str(tmp_path / "model.json"))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_left_alone(result, tmp_path):
    for path in (tmp_path, tmp_path / "no/such/model.json"):
        with pytest.raises(UsageError, match="--save"):
            save_model(result, str(path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="a file of Unix")
def test_a_model_can_go_to_a_device(result):
    save_model(result, "/dev/null")
    assert os.path.exists("/dev/null")  # noqa: PTH110 - and is no file now


def broken(content, rng):
    """Return the document with something replaced, at random."""
    found = copy.deepcopy(content)
    place, key = found, rng.choice(sorted(found))
    while isinstance(place[key], (dict, list)) and place[key] and rng.random() < 0.7:
        place = place[key]
        key = rng.choice(
            sorted(place) if isinstance(place, dict) else range(len(place))
        )
    values = [None, "", "x", -1, 1e400, 10**400, [], {}, [[]], True, "(" * 500, "a[b]"]
    if rng.random() < 0.2 and isinstance(place, dict):
        del place[key]
    else:
        place[key] = rng.choice(values)
    return found


def test_a_changed_model_is_an_error_or_harmless(saved):
    rng = random.Random(11)
    content = json.loads(saved.read_text())
    for _ in range(1500):
        saved.write_text(json.dumps(broken(content, rng)))
        try:
            model = load_model(str(saved))
            model.predict({"x": [1.0]})
        except FitError:
            continue


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{}", b"[]", b"null", b"\x00\xff", b"[" * 200_000, b"{" * 50,
        b'{"format": "autodiff-model/1"}', b'{"format": "autodiff-model/2"}',
        b'{"format": "autodiff-model/1", "schema": "autodiff-fit/1"}',
        b"x,y\n1,2\n", b"9" * 10_000,
    ],
)  # fmt: skip
def test_a_file_that_is_no_model_is_told(tmp_path, content):
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_model(str(path))
    assert caught.value.code in ("D171", "D172")


def test_a_missing_model_is_told(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(DataError) as caught:
            load_model(str(path))
        assert caught.value.code == "D170"


@pytest.mark.parametrize(
    "scale", [["weights", "1"], ["sigma"], ["sigma", 1], ["sigma", "1 +"], 3, "sigma"]
)
def test_a_scale_that_is_none_is_refused(saved, scale):
    content = json.loads(saved.read_text())
    saved.write_text(json.dumps({**content, "scale": scale}))
    with pytest.raises(DataError):
        load_model(str(saved))
