"""Reading tables: what is understood, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff.fit import DataError, fit
from autodiff.fit.data.text import parse_table, read_table


def numbers(raw, *wanted, columns=None):
    return parse_table(raw, "data.csv", columns).numbers(wanted or ("x", "y"))


@pytest.mark.parametrize(
    "raw",
    [
        b"x,y\n1,2\n3,4\n",
        b"x;y\n1;2\n3;4\n",
        b"x\ty\n1\t2\n3\t4\n",
        b"x y\n1  2\n 3 4\n",
        b"x,y\r\n1,2\r\n3,4\r\n",
        b"x,y\r1,2\r3,4",
        b"\xef\xbb\xbfx,y\n1,2\n3,4\n",
        "x,y\n1,2\n3,4\n".encode("utf-16"),
        b"# a comment\nx,y\n\n1,2\n# another\n3,4\n",
        b'"x","y"\n"1","2"\n 3 , 4\n',
        b"x,y,\n1,2,\n3,4,\n",
        b"name,x,y\nfirst,1,2\nsecond,3,4\n",
    ],
    ids=(
        "comma semicolon tab blanks crlf cr bom utf16 comments quotes trailing words"
    ).split(),
)
def test_a_table_is_read_however_it_is_written(raw):
    columns, dropped = numbers(raw)
    assert columns["x"].tolist() == [1.0, 3.0]
    assert columns["y"].tolist() == [2.0, 4.0]
    assert dropped == 0


def test_a_file_without_header_takes_its_names_from_columns():
    columns, _ = numbers(b"1,2\n3,4\n", columns=["x", "y"])
    assert columns["y"].tolist() == [2.0, 4.0]


def test_numbers_may_have_exponents_and_lack_leading_digits():
    columns, _ = numbers(b"x y\n77.6E0 .591E0\n1e-3 +2\n")
    assert columns["x"].tolist() == [77.6, 0.001]
    assert columns["y"].tolist() == [0.591, 2.0]


def test_rows_with_missing_values_are_dropped_and_counted():
    columns, dropped = numbers(b"x,y\n1,2\n,3\n4,NA\n5,nan\n6,7\n")
    assert columns["x"].tolist() == [1.0, 6.0]
    assert dropped == 3


def test_a_missing_value_in_an_unused_column_drops_nothing():
    columns, dropped = numbers(b"x,y,z\n1,2,\n3,4,NA\n", "x", "y")
    assert len(columns["x"]) == 2
    assert dropped == 0


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "empty"),
        (b"\n\n# only a comment\n", "empty"),
        (b"x,y\n", "no rows of data"),
        (b"1,2\n3,4\n", "--columns x,y"),
        (b"x,y\n1,2\nabc,4\n", "line 3, column 'x': 'abc' is not a number"),
        (b"x,y\n1,2\n3,inf\n", "line 3, column 'y': 'inf'"),
        (b"x,y\n1,2\n3,1e999\n", "finite"),
        (b"x,y\n1,5;2\n", "not a number"),
        (b"x,y\n1_000,2\n", "line 2, column 'x'"),
        (b"x,y\n1,2,3\n", "line 2: 3 values, but there are 2 columns"),
        (b"x,y\n1\n", "line 2: 1 value, but there are 2 columns"),
        (b"x,y\nNA,1\n2,\n", "no row has a value in every column"),
        (b"x,x,y\n1,2,3\n", "2 columns are called 'x'"),
        (b"x,y\n1,\0\n", "binary data"),
        (b"x,y\n\xff\xfe,2\n", "not UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "an image"),
    ],
)
def test_a_bad_table_is_told_with_place_and_cure(raw, words):
    with pytest.raises(DataError) as caught:
        numbers(raw)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_directory_is_no_file(tmp_path):
    with pytest.raises(DataError, match="is a directory"):
        read_table(str(tmp_path))


def test_a_missing_file_is_told_with_the_nearest_name(tmp_path):
    (tmp_path / "misra1a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match=r"did you mean 'misra1a\.csv'"):
        read_table(str(tmp_path / "misra1b.csv"))


def test_a_path_with_a_zero_byte_is_refused():
    with pytest.raises(DataError, match="cannot read"):
        read_table("a\0b")


def test_a_quoted_cell_that_never_ends_is_refused():
    with pytest.raises(DataError):
        numbers(b'x,y\n"1,2\n' + b"3,4\n" * 100_000)


@given(st.binary(max_size=200))
def test_random_bytes_raise_nothing_but_the_data_error(raw):
    try:
        table = parse_table(raw, "data.csv")
        values, _ = table.numbers(table.names)
    except DataError:
        return
    assert all(np.isfinite(column).all() for column in values.values())


@pytest.mark.parametrize("scale", [1e-170, 1e155, 1e307])
def test_responses_whose_squares_leave_the_range_are_refused(scale):
    data = {"x": [1.0, 2.0, 3.0], "y": [0.1 * scale, 0.21 * scale, 0.29 * scale]}
    with pytest.raises(DataError, match="unit"):
        fit("y ~ a*x + b", data)
