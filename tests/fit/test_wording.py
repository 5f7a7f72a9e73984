"""Each surface speaks with its own words: options at the shell, arguments in Python."""

import re

import numpy as np
import pytest

import autodiff as ad
from autodiff.fit import fit, least_squares
from autodiff.fit.errors import FitError
from autodiff.fit.wording import in_python

LINE = {"x": [0.0, 1.0, 2.0, 3.0], "y": [3.0, 8.0, 13.5, 18.0]}
MADE = {
    "a start": ({"start": {"zz": 1}}, "start of zz: 'zz' is not in the formula"),
    "a bound": ({"bounds": {"zz": (0, 1)}}, "bounds of zz: 'zz' is not in the formula"),
    "a fixed one": ({"fix": {"zz": 1}}, "fix zz: 'zz' is not in the formula"),
    "a tie": ({"tie": {"zz": "w"}}, "tie zz: 'zz' is not in the formula"),
    "a circle": ({"tie": {"w": "b", "b": "w"}}, "tie b, character 1: ties go round"),
    "the level": ({"level": 95}, "level 95: a probability"),
    "the scale": ({"loss": "huber", "loss_scale": 0}, "loss_scale 0: a positive"),
    "of another loss": ({"loss_scale": 1.0}, "loss_scale belongs to the losses"),
    "a count": ({"max_evaluations": 0}, "max_evaluations 0: a whole number"),
    "a name": ({"loss": "hubber"}, "loss 'hubber': expected one of"),
    "trials": ({"loss": "binomial"}, "loss binomial needs trials; add it"),
    "sigma": ({"sigma": "x"}, "leave the row out with where"),
    "a condition": ({"where": "x >"}, "where, character 4: the expression ends"),
    "a quantity": ({"derive": {"q": "1/v"}}, "derive, character 3: 'v' is no"),
}


@pytest.mark.parametrize("name", MADE)
def test_python_is_told_in_the_words_of_python(name):
    options, words = MADE[name]
    with pytest.raises(FitError) as caught:
        fit("y ~ w*x + b", LINE, **options)
    assert words in str(caught.value)
    assert not re.search(r"(?<!\w)-(p|-[a-z]+)\b", str(caught.value))


def test_verdicts_and_notes_are_told_in_the_words_of_python():
    x = np.linspace(0.0, 6.0, 40)
    wave = {"x": x, "y": np.sin(3.0 * x) + 0.1 * np.cos(40.0 * x)}
    result = fit("y ~ a*sin(w*x)", wave, start={"a": 1.0, "w": 9.0})
    [note] = [n for n in result.warnings if n.code in ("W130", "W131")]
    assert "-p" not in note.text
    assert "--" not in fit("y ~ a*exp(b*x)", LINE, max_evaluations=1).reason
    cut = least_squares(lambda p: p * p - 3, [9.0], max_evaluations=1)
    assert "as many as max_evaluations allows" in cut.reason


def test_methods_of_a_result_speak_python_too(tmp_path):
    result = ad.fit("y ~ w*x + b", LINE)
    with pytest.raises(FitError, match=r"^.*plot '.*': a name that ends in"):
        result.plot(str(tmp_path / "fit.jpgg"))
    with pytest.raises(FitError) as caught:
        result.predict(level=95)
    assert "level 95" in str(caught.value)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize(
    ("shell", "python"),
    [
        ("start it with -p a=1.5 -p Vm[u]=-2e3", "start={'a': 1.5, 'Vm[u]': -2e3}"),
        ("hold it with --fix k=4.5, or", "hold it with fix={'k': 4.5}, or"),
        ("change the start with -p", "change the start with start={...}"),
        ("give one with --loss-scale", "give one with loss_scale"),
        ("as in --columns x1,y", "as in columns=['x1', 'y']"),
        ("x - p and a--b are no options", "x - p and a--b are no options"),
    ],
)
def test_options_become_arguments(shell, python):
    assert in_python(shell).endswith(python)
