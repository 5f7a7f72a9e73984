"""Plots: what they show, in characters and in pictures."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import autodiff as ad
from autodiff.fit.errors import UsageError
from autodiff.fit.output.picture import draw
from autodiff.fit.output.style import Style
from autodiff.fit.output.terminal_plot import terminal_plot
from autodiff.fit.output.views import ticks, view_of

X = np.linspace(0.0, 5.0, 40)
Y = 3.0 * np.exp(-0.7 * X) + 0.5 + 0.02 * np.sin(17 * X)


@pytest.fixture(scope="module")
def result():
    return ad.fit("y ~ a*exp(-b*x) + c", {"x": X, "y": Y})


@pytest.fixture(scope="module")
def plane():
    data = {"x1": X, "x2": np.cos(X), "y": X - np.cos(X) + 0.01 * np.sin(9 * X)}
    return ad.fit("y ~ a*x1 + b*x2", data)


def test_one_predictor_is_shown_with_curve_and_band(result):
    view = view_of(result)
    [one] = view.series
    assert (view.x_label, view.y_label, view.has_curve) == ("x", "y", True)
    np.testing.assert_allclose(one.residuals, -result.residuals)
    assert (one.band_lo < one.curve_y).all()
    assert (one.band_hi > one.curve_y).all()


def test_several_predictors_are_shown_as_observed_against_fitted(plane):
    view = view_of(plane)
    [one] = view.series
    assert (view.x_label, view.y_label) == ("fitted y", "observed y")
    assert not view.has_curve
    np.testing.assert_array_equal(one.curve_x, one.curve_y)
    np.testing.assert_array_equal(one.x, plane.fitted)


def test_levels_have_a_curve_each(tmp_path):
    names = np.where(np.arange(40) % 2, "odd", "even")
    y = np.where(np.arange(40) % 2, 3.0, 5.0) * np.exp(-0.5 * X) + 0.01 * np.sin(9 * X)
    result = ad.fit("y ~ a[kind]*exp(-b*x)", {"x": X, "kind": names, "y": y})
    view = view_of(result)
    assert [one.name for one in view.series] == ["even", "odd"]
    assert [len(one.x) for one in view.series] == [20, 20]
    assert view.series[0].curve_y[0] > 4.5 > 3.5 > view.series[1].curve_y[0]
    draw(result, str(tmp_path / "levels.svg"))
    text = (tmp_path / "levels.svg").read_text()
    assert all(word in text for word in ("even", "odd", "95 % confidence"))


def test_ticks_are_round_and_inside():
    for low, high in [(0, 1), (-3.7, 1e5), (1e-9, 2e-9), (100, 101)]:
        found = ticks(low, high, 5)
        assert 3 <= len(found) <= 11
        assert all(low - 1e-9 * abs(low) <= t <= high + 1e-9 * high for t in found)


@pytest.mark.parametrize("width", [20, 60, 80, 200])
@pytest.mark.parametrize("unicode", [False, True])
def test_a_terminal_plot_is_no_wider_than_the_terminal(result, width, unicode):
    text = terminal_plot(view_of(result), Style(unicode=unicode, width=width))
    assert max(map(len, text.splitlines())) <= max(width, 40)
    assert text.isascii() != unicode


def test_a_terminal_plot_shows_the_points_where_they_are(result):
    lines = terminal_plot(view_of(result), Style(width=80)).splitlines()
    rows = [line.partition("+")[2] or line.partition("|")[2] for line in lines[1:21]]
    # The curve falls: the first point is at the top left, the last at the lower right.
    top = next(row for row in rows if "o" in row)
    bottom = next(row for row in reversed(rows) if "o" in row)
    assert top.index("o") < 5
    assert bottom.rindex("o") > 60


def test_constant_data_make_a_plot_too():
    result = ad.fit("y ~ a + 0*x", {"x": X, "y": np.full(40, 7.0)})
    assert "7" in terminal_plot(view_of(result), Style())


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_a_picture_is_of_the_kind_its_name_says(result, tmp_path, suffix):
    path = tmp_path / f"fit.{suffix}"
    draw(result, str(path))
    begin = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix]
    assert path.read_bytes().startswith(begin)


def test_a_picture_has_its_labels_as_text(result, tmp_path):
    path = tmp_path / "fit.svg"
    draw(result, str(path))
    text = " ".join(t.strip() for t in ElementTree.parse(path).getroot().itertext())
    for word in ("95 % confidence", "data", "fit", "residual", "y ~ a*exp(-b*x) + c"):
        assert word in text


def test_pictures_are_the_same_every_time(result, tmp_path):
    contents = []
    for name in ("a.svg", "b.svg"):
        draw(result, str(tmp_path / name))
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_a_dollar_in_a_name_is_no_mathematics(tmp_path):
    data = {"$x^": X, "y": X + 0.01 * np.sin(9 * X)}
    draw(ad.fit("y ~ a*`$x^`", data), str(tmp_path / "a.svg"))
    assert re.search(r"\$x\^", (tmp_path / "a.svg").read_text())


def test_error_bars_are_drawn_where_sigma_is_known(tmp_path):
    data = {"x": X, "y": Y, "dy": np.full(40, 0.02)}
    result = ad.fit("y ~ a*exp(-b*x) + c", data, sigma="dy")
    [one] = view_of(result).series
    np.testing.assert_array_equal(one.error, data["dy"])
    draw(result, str(tmp_path / "errors.png"))


@pytest.mark.parametrize("name", ["fit.jpgg", "fit", "no/such/folder/fit.png"])
def test_a_place_that_cannot_be_drawn_to_is_refused(result, tmp_path, name):
    with pytest.raises(UsageError, match="--plot"):
        draw(result, str(tmp_path / name))
