"""Mistakes that people make with formulas and files: exit code, place and cure.

Golden in what matters: what is told first, where, by which cure and code; one line, a
caret below a formula, and nothing else.
"""

import gzip
import io
import os
import sys
from pathlib import Path

import pytest

from autodiff.fit.command.cli import main

pytestmark = pytest.mark.slow  # many fits

LINE = b"x,y\n0,3\n1,8\n2,13.5\n3,18\n"
FEW = b"x,y\n0,3\n1,8\n"


@pytest.fixture
def told(capsys, monkeypatch, tmp_path):
    """Run a fit of bytes in a file; return exit code and the lines of complaint."""
    monkeypatch.chdir(tmp_path)

    def told(formula, raw=LINE, *more):
        Path("data.csv").write_bytes(raw)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
        file = [] if more and more[0] == "other" else ["data.csv"]
        code = main(["fit", formula, *file, *(m for m in more if m != "other")])
        out, err = capsys.readouterr()
        assert out == ""
        assert "Traceback" not in err
        return code, err.splitlines()

    return told


FORMULAS = [
    ("y = w*x + b", 3, "a formula relates the two sides with '~'", "F102"),
    ("y ~ w*z + b*c*x*", 17, "the formula ends where a value was expected", "F105"),
    ("y ~ 2x + b", 5, "write a product with '*'", "F106"),
    ("y ~ w x + b", 7, "write a product with '*'", "F106"),
    ("y ~ w*(x + b", 7, "this '(' is never closed; add a ')'", "F104"),
    ("y ~ w*x + b)", 12, "this ')' closes nothing; remove it", "F104"),
    (
        "y ~ w*x + expp(b)",
        11,
        "there is no function 'expp'; did you mean 'exp'?",
        "F107",
    ),
    ("y ~ w(x) + b", 5, "write a product as w*(...)", "F107"),
    ("y ~ exp + w*x", 5, "call it as exp(...)", "F109"),
    ("y ~ exp(w, x)", 5, "exp takes 1 argument, got 2", "F108"),
    ("y ~ w*x ~ b", 9, "a second '~'", "F110"),
    ("y ~ w*x, b", 8, "a ',' outside a function call", "F110"),
    ("y ~ w*x^^2", 9, "where a number, a name or '(' was expected", "F105"),
    ("y ~ 1e999*w*x", 5, "too large for a double", "F111"),
    ("y ~ `w*x", 5, "the backquote is not closed", "F112"),
    ("y ~ w*x.y", 8, "quote others: `dose.mg`", "F101"),
    ("y ~ np.exp(w*x)", 7, "call functions by their bare name", "F101"),
    ("y ~ __import__('os')", 5, "a formula calls elementary functions only", "F107"),
    ("y ~ x.__class__", 6, "unexpected character '.'", "F101"),
    ("y ~ w*x; import os", 8, "unexpected character ';'", "F101"),
    ("y ~ w*x if x > 1", 9, "an 'if' without 'else'", "F120"),
    ("y ~ w*x + 'b'", 11, "can only be compared with a column", "F113"),
    ("y ~ w \N{MULTIPLICATION SIGN} x", 7, "write a product with '*'", "F101"),
    ("y ~ w*x \N{EN DASH} b", 9, "type the plain '-'", "F101"),
    ("y ~ w*x\N{SUPERSCRIPT TWO}", 8, "write a power as x^2", "F101"),
    ("y ~ \N{CYRILLIC SMALL LETTER IE}xp(w*x)", 5, "cyrillic small letter ie", "F107"),
    ("y ~ w*x + \x1b[31m", 11, "unexpected character '\\x1b'", "F101"),
    ("y ~ " + "(" * 10_000 + "x" + ")" * 10_000, 20001, "at most 20000", "F103"),
    ("y ~ " + "(" * 9_000 + "x" + ")" * 9_000, 105, "deeper than 100 levels", "F103"),
    ("y ~ w*X + b", 7, "there is no column 'X'; did you mean 'x'?", "F117"),
    ("Y ~ w*x + b", 1, "there is no column 'Y' among x, y; did you mean 'y'?", "F116"),
    ("z ~ w*x + b", 1, "there is no column 'z' among x, y", "F116"),
    ("3 ~ w*x + b", 1, "put the response there", "F115"),
    ("y ~ 2*x + 1", 1, "no parameter to fit", "F118"),
    ("y ~ a + b", 5, "a, b cannot be told apart", "F118"),
    ("y ~ a[group]*x", 5, "there is no column 'group' among x, y", "F114"),
    ("y ~ x[y]", 5, "'x' is a column", "F114"),
]


@pytest.mark.parametrize(("formula", "place", "words", "code"), FORMULAS)
def test_a_mistake_in_a_formula_is_shown_with_its_place(
    told, formula, place, words, code
):
    found, lines = told(formula)
    assert found == 2
    assert lines[0].startswith(f"autodiff: formula, character {place}: ")
    assert words in lines[0]
    assert lines[0].endswith(f" [{code}]")
    assert lines[2].strip().strip("^") == ""
    assert len(lines) == 3


FILES = {
    "empty": (b"", "no data, the input is empty", "D104"),
    "comments": (b"# x,y\n\n", "no data, the input is empty", "D104"),
    "header only": (b"x,y\n", "a header line but no rows of data", "D104"),
    "no header": (b"0,3\n1,8\n", "line 1: numbers where column names", "D105"),
    "named comment": (b"# y x\n0 3\n1 8\n", "as in --columns y,x", "D105"),
    "word": (b"x,y\n0,3\nten,8\n", "line 3, column 'x': 'ten' is not a number", "D108"),
    "unit": (b"x,y\n0,3\n5%,8\n", "leave out the unit", "D108"),
    "thousands": (b"x,y\n0,3\n1 000,8\n", "no thousands separator", "D108"),
    "minus": (b"x,y\n0,3\n\xe2\x88\x925,8\n", "write the minus sign as '-'", "D108"),
    "exponent": (b"x,y\n0,3\n1D5,8\n", "write the exponent with 'e'", "D108"),
    "date": (b"x,y\n0,3\n2024-03-01,8\n", "a date is no number", "D108"),
    "failed cell": (b"x,y\n0,3\n#DIV/0!,8\n", "of the spreadsheet failed", "D108"),
    "underscore": (b"x,y\n0,3\n1_000,8\n", "'1_000' is not a number", "D108"),
    "infinite": (
        b"x,y\n0,3\ninf,8\n",
        "line 3, column 'x': 'inf'; a fit needs",
        "D109",
    ),
    "too large": (
        b"x,y\n0,3\n1e999,8\n",
        "line 3, column 'x': '1e999' is beyond the largest double",
        "D109",
    ),
    "decimal commas": (b"x,y\n0,5,3,5\n1,5,8,5\n", "separate the cells by ';'", "D107"),
    "mixed decimals": (b"x;y\n0.5;3\n1,5;8\n", "'1,5' has a decimal comma", "D117"),
    "ambiguous": (b"x;y\n1,234;3\n2,345;8\n", "may be one number", "D117"),
    "long row": (b"x,y\n0,3\n1,8,9\n", "line 3: 3 values, but there are 2", "D107"),
    "short row": (b"x,y\n0,3\n1\n", "line 3: 1 value, but there are 2", "D107"),
    "other delimiter": (b"x,y\n0,3\n1;8\n", "separated by ';'", "D107"),
    "twice": (b"x,x,y\n0,1,3\n1,2,8\n", "2 columns are called 'x'", "D110"),
    "gaps": (b"x,y\n0,NA\n,8\n", "all 2 rows miss one", "D113"),
    "zero bytes": (b"x,y\n0,\x003\n", "a zero byte at 6", "D111"),
    "latin": (b"x,y\n0,3\n1,\xb5\n", "line 3: not UTF-8 text", "D111"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0", "an image (PNG)", "D111"),
    "xlsx": (b"PK\x03\x04\x14\0", "a spreadsheet or zip archive", "D111"),
    "cut gzip": (
        gzip.compress(LINE * 99)[:60],
        "the compressed data are damaged",
        "D124",
    ),
    "cut parquet": (b"PAR1\0\0\0\0", "the parquet file is damaged", "D124"),
    "open quote": (b'x,y\n0,3\n"1,8\n2,9\n', "line 3: a quote is opened", "D112"),
    "quote inside": (b'x,y\n0,3\n"1"a,8\n', "line 3: a quote inside a cell", "D112"),
    "huge response": (b"x,y\n0,3e200\n1,8e200\n", "use another unit", "D116"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_mistake_in_a_file_is_told_with_its_place_and_cure(told, name):
    raw, words, code = FILES[name]
    found, lines = told("y ~ w*x", raw)
    assert found == 3
    assert len(lines) == 1
    assert words in lines[0]
    assert lines[0].startswith("autodiff: ")
    assert lines[0].endswith(f" [{code}]")


def test_a_file_that_is_not_there_is_told_with_the_nearest_name(told):
    code, (line,) = told("y ~ w*x", LINE, "other", "dat.csv")
    assert (code, line) == (
        3,
        "autodiff: there is no file 'dat.csv'; did you mean 'data.csv'? [D101]",
    )


def test_a_formula_and_a_file_in_the_wrong_order_are_told(told):
    code, lines = told("data.csv", LINE, "other", "y ~ w*x")
    assert code == 2
    assert "character 5: unexpected character '.'" in lines[0]


def test_a_directory_is_told(told):
    code, (line,) = told("y ~ w*x", LINE, "other", ".")
    assert (code, line) == (3, "autodiff: . is a directory; give a file in it [D102]")


def test_a_file_that_may_not_be_read_is_told(told, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(Path, "write_bytes", lambda self, raw: None)
    code, (line,) = told("y ~ w*x")
    assert code == 3
    assert line.startswith("autodiff: cannot read 'data.csv': Permission denied; allow")


def test_a_line_without_an_end_is_refused_before_it_fills_the_memory(told):
    code, (line,) = told("y ~ w*x", b"x,y\n" + b"1" * (1 << 25))
    assert code == 3
    assert "line 2: longer than 16 MB without an end" in line


def test_zeros_without_an_end_are_no_table(told, tmp_path):
    with (tmp_path / "zeros").open("wb") as file:
        file.truncate(1 << 30)  # takes no place on the disk
    code, (line,) = told("y ~ w*x", LINE, "other", "zeros")
    assert code == 3
    assert "binary data (a zero byte at 0)" in line


def test_columns_for_a_file_with_a_header_are_told(told):
    code, (line,) = told("y ~ w*x", FEW, "--columns", "x,y")
    assert code == 3
    assert "'x' where numbers were expected" in line
    assert "leave out --columns, or pass over it with --skip 1 [D106]" in line


def test_too_few_names_for_the_columns_are_told(told):
    code, (line,) = told("y ~ w*x", b"1,2,3\n4,5,6\n", "--columns", "x,y")
    assert code == 3
    assert "line 1: 3 values, but there are 2 columns (x, y)" in line
