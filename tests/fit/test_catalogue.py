"""Codes and their pages belong together."""

import pickle
import re
from pathlib import Path

import pytest

import autodiff.fit
from autodiff.fit import UsageError
from autodiff.fit.catalogue import FAMILIES, codes, page
from autodiff.fit.errors import DataError, FormulaError

CODE = re.compile(r"""["']([UFDCNW]1[0-9]{2})["']""")


def codes_of_the_source():
    """Return the codes that the package's own source names."""
    folder = Path(autodiff.fit.__file__).parent
    found = set()
    for file in folder.rglob("*.py"):
        found |= set(CODE.findall(file.read_text(encoding="utf-8")))
    return found


def test_every_code_of_the_source_has_a_page():
    assert sorted(codes_of_the_source() - set(codes())) == []


def test_every_page_is_of_a_code_that_the_source_uses():
    assert sorted(set(codes()) - codes_of_the_source()) == []


@pytest.mark.parametrize("code", codes())
def test_a_page_has_a_title_and_says_something(code):
    title, text = page(code)[1:]
    assert title
    assert not title.endswith(".")
    assert len(text) > 40


def test_a_page_is_found_however_its_code_is_written():
    assert page(" [d104] ") == page("D104")


def test_a_code_that_is_none_is_told():
    with pytest.raises(UsageError, match=r"no code 'D1' *.*U110") as caught:
        page("D1")
    assert caught.value.code == "U110"


def test_the_families_are_those_of_the_codes():
    assert {code[0] for code in codes_of_the_source()} <= set(FAMILIES)


@pytest.mark.parametrize(
    "error",
    [
        DataError("D104", "no data"),
        FormulaError("F105", "the end", "y ~", 3, 3),
        FormulaError("F105", "x: y", "y ~", 3, 3, "--where, filter"),
    ],
)
def test_an_error_prints_its_code_and_survives_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert str(error).endswith(f" [{error.code}]")
    assert vars(copy) == vars(error)
