"""Reading tables: what is understood, and what is refused."""

import bz2
import datetime
import decimal
import gzip
import io
import lzma
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autodiff.fit import DataError, fit
from autodiff.fit.data import source
from autodiff.fit.data.arrays import as_columns
from autodiff.fit.data.columns import alike
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


PLAIN = b"x,y\n1,2\n3,4\n"


@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bz2", "xz"]
)
def test_a_compressed_table_is_read_whatever_it_is_called(pack, tmp_path):
    file = tmp_path / "data.csv"
    file.write_bytes(pack(PLAIN))
    columns, _ = read_table(str(file)).numbers(("x", "y"))
    assert columns["y"].tolist() == [2.0, 4.0]


@pytest.mark.parametrize(
    "raw",
    [
        b"x;y\n1,5;2\n3;4,25\n",
        b"x\ty\n1,5\t2\n3\t4,25\n",
        b"x y\n1,5 2\n3 4,25\n",
        b'x,y\n"1,5",2\n3,"4,25"\n',
        b"x;y\n1,5;2\n# note\n3;4,25\n",
        b"x;y\n0,150e1;2\n3;4,25\n",
    ],
)
def test_decimal_commas_are_read_where_they_are_clear(raw):
    table = parse_table(raw, "data.csv")
    columns, _ = table.numbers(("x", "y"))
    assert columns["x"].tolist() == [1.5, 3.0]
    assert columns["y"].tolist() == [2.0, 4.25]
    assert [note.code for note in table.notes] == ["W181"]


def test_quoted_cells_may_hold_delimiters_quotes_and_new_lines():
    raw = b'name,x,y\n"a, ""b""\n# c\n\nd",1,2\ne,"3",4\nf,5,six\n'
    table = parse_table(raw, "data.csv")
    assert table.levels("name").names == ('a, "b"\n# c\n\nd', "e", "f")
    assert table.column("x").tolist() == [1.0, 3.0, 5.0]
    with pytest.raises(DataError, match="line 7, column 'y'"):
        table.column("y")


def test_lines_are_skipped_before_the_header():
    raw = b"made by a machine, 2024\n;;\nx,y\n1,2\n3,4\n"
    table = parse_table(raw, "data.csv", skip=2)
    assert table.column("x").tolist() == [1.0, 3.0]
    assert table.place(1) == "line 5"


def test_skip_and_columns_replace_a_header():
    table = parse_table(b"a b,c d\n1,2\n3,4\n", "data.csv", ["x", "y"], 1)
    assert table.column("y").tolist() == [2.0, 4.0]


def test_a_failed_cell_at_the_beginning_of_a_line_is_no_comment():
    columns, dropped = numbers(b"x,y\n1,2\n#N/A,3\n#note,9\n4,5\n")
    assert columns["x"].tolist() == [1.0, 4.0]
    assert dropped == 1


def test_words_are_levels_in_order():
    table = parse_table(b"g,x\nb,1\n a ,2\nb,3\n,4\nNA,5\n", "data.csv")
    levels = table.levels("g")
    assert levels.names == ("a", "b")
    assert levels.codes.tolist() == [1, 0, 1, -1, -1]


def test_numbers_as_levels_are_sorted_by_size():
    levels = parse_table(b"g,x\n10,1\n9,2\n9,3\n0.5,4\n", "data.csv").levels("g")
    assert levels.names == ("0.5", "9", "10")
    assert levels.codes.tolist() == [2, 1, 1, 0]


def test_levels_of_a_text_are_the_labels_as_they_are_written():
    raw = b"g,x\n1.0,1\n01,2\n 1 ,3\n1,4\n10,5\n"
    levels = parse_table(raw, "data.csv").levels("g")
    assert levels.names == ("01", "1", "1.0", "10")
    assert levels.codes.tolist() == [2, 0, 1, 1, 3]
    (note,) = alike("g", levels)
    assert note.code == "W182"
    assert "levels '01' and '1' of column 'g' are equal as numbers" in note.text
    assert as_columns({"g": ["01", "1", "01"]}).levels("g").names == ("01", "1")


def test_numbers_as_levels_have_no_spelling():
    for column in ([1, 1.0, 2], np.array([1.0, 1.0, 2.0])):
        levels = as_columns({"g": column}).levels("g")
        assert levels.names == ("1", "2")
        assert levels.codes.tolist() == [0, 0, 1]
        assert alike("g", levels) == ()


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("block", [16, 17, 18, 19, 20, 21, 64])
def test_blocks_change_nothing(monkeypatch, newline, block):
    monkeypatch.setattr(source, "BLOCK_BYTES", block)
    rows = [
        "w,x,y",
        '"a',
        'b",1,2',
        "# no",
        "c,3,4",
        "",
        "d,,6",
        "\u00e9,7,8",
        "f,9,10",
    ]
    raw = newline.join(rows).encode("utf-8")
    table = parse_table(raw, "data.csv")
    table.prepare(["x", "y"], ["w"])
    assert table.column("y").tolist() == [2.0, 4.0, 6.0, 8.0, 10.0]
    assert np.isnan(table.column("x")).tolist() == [False, False, True, False, False]
    assert table.levels("w").names == ("a\nb", "c", "d", "f", "\u00e9")
    lines = [table.place(row) for row in range(5)]
    assert lines == [f"line {n}" for n in (2, 5, 7, 8, 9)]


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False), st.integers(-99, 99)
        ),
        min_size=1,
    ),
    st.sampled_from([",", ";", "\t", " "]),
)
def test_numbers_are_read_to_the_last_digit(rows, mark):
    text = "".join(f"{a!r}{mark}{b}\n" for a, b in rows)
    table = parse_table(f"x{mark}y\n{text}".encode(), "data.csv")
    assert table.column("x").tolist() == [a for a, _ in rows]
    assert table.column("y").tolist() == [b for _, b in rows]


def test_the_memory_of_reading_is_that_of_the_numbers(tmp_path):
    file = tmp_path / "data.csv"
    n = 400_000
    words = "word" * 10
    with file.open("w") as out:
        out.write("x,w,y\n")
        out.writelines(f"{i * 0.5},{words},{i}\n" for i in range(n))
    table = read_table(str(file))
    tracemalloc.start()
    table.numbers(("x", "y"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * n * 1.6 + 40_000_000


def test_standard_input_is_read_to_its_end(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(PLAIN))))
    assert read_table("-").column("x").tolist() == [1.0, 3.0]


@pytest.mark.parametrize("kind", ["parquet", "arrow", "feather"])
def test_arrow_files_are_read(kind, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import feather, parquet

    table = pa.table(
        {
            "x": [1, None, 3],
            "y": [True, False, None],
            "g": ["b", "a", None],
            "z": [1.5] * 3,
        }
    )
    path = str(tmp_path / "data.bin")
    if kind == "parquet":
        parquet.write_table(table, path)
    elif kind == "feather":
        feather.write_feather(table, path)
    else:
        with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, table.schema) as out:
            out.write_table(table)
    found = read_table(path)
    assert np.nan_to_num(found.column("x"), nan=-1.0).tolist() == [1.0, -1.0, 3.0]
    assert np.nan_to_num(found.column("y"), nan=-1.0).tolist() == [1.0, 0.0, -1.0]
    assert found.levels("g").codes.tolist() == [1, 0, -1]
    with pytest.raises(DataError, match=r"column 'g': string are no numbers.*D108"):
        found.column("g")


def frames():
    """Return the same table as every library holds it."""
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    x, y, g = [1, None, 3], [1.5, 2.5, None], ["b", "a", None]
    plain = {"x": x, "y": y, "g": g}
    nullable = pandas.DataFrame(
        {
            "x": pandas.array(x, dtype="Int64"),
            "y": pandas.array(y, dtype="Float64"),
            "g": pandas.array(g, dtype="string"),
        }
    )
    return {
        "lists": plain,
        "objects": {
            name: np.array(values, dtype=object) for name, values in plain.items()
        },
        "masked": {
            "x": np.ma.array([1, 9, 3], mask=[0, 1, 0]),
            "y": np.ma.array([1.5, 2.5, 9.0], mask=[0, 0, 1]),
            "g": np.ma.array(["b", "a", "c"], mask=[0, 0, 1]),
        },
        "pandas": pandas.DataFrame(plain),
        "pandas nullable": nullable,
        "pandas categories": pandas.DataFrame(plain).astype({"g": "category"}),
        "polars": polars.DataFrame(plain),
        "arrow": pyarrow.table(plain),
        "batch": pyarrow.record_batch(plain),
        "decimals": {
            "x": [decimal.Decimal(1), None, decimal.Decimal(3)],
            "y": y,
            "g": g,
        },
    }


@pytest.mark.parametrize(
    "name",
    "lists,objects,masked,pandas,pandas nullable,pandas categories,polars,arrow,batch,"
    "decimals".split(","),
)
def test_tables_of_every_library_are_the_same(name):
    table = as_columns(frames()[name])
    assert table.names == ("x", "y", "g")
    assert np.nan_to_num(table.column("x"), nan=-1.0).tolist() == [1.0, -1.0, 3.0]
    assert np.nan_to_num(table.column("y"), nan=-1.0).tolist() == [1.5, 2.5, -1.0]
    assert table.levels("g").names == ("a", "b")
    assert table.levels("g").codes.tolist() == [1, 0, -1]
    assert table.n_rows == 3


def test_a_structured_array_and_a_named_matrix_are_tables():
    record = np.array([(1, 2.5), (3, 4.5)], dtype=[("x", int), ("y", float)])
    assert as_columns(record).column("y").tolist() == [2.5, 4.5]
    matrix = np.array([[1, 2.5], [3, 4.5]])
    assert as_columns(matrix, ["x", "y"]).column("y").tolist() == [2.5, 4.5]


def test_booleans_are_ones_and_zeros():
    assert as_columns({"x": [True, False]}).column("x").tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("values", "code", "words"),
    [
        (
            ["1", "2"],
            "D108",
            "row 1, column 'x': '1' is not a number; these are numbers as",
        ),
        ([1.0, "b"], "D108", "row 2, column 'x': 'b' is not a number"),
        ([1, 2 + 1j], "D121", "complex"),
        (np.array(["2024-01-01"], dtype="M8[D]"), "D121", "dates"),
        (np.array([1, 2], dtype="m8[s]"), "D121", "durations"),
        ([datetime.date(2024, 1, 1)], "D121", "dates"),
        ([datetime.timedelta(1)], "D121", "durations"),
        ([[1, 2], [3, 4]], "D115", "shape (2, 2)"),
        (np.ones((3, 1)), "D115", "ravel()"),
        ([[1], [2, 3]], "D115", "one value per row"),
        (3.0, "D115", "shape ()"),
        ([10**400], "D108", "is not a number"),
    ],
)
def test_a_column_that_is_no_numbers_is_told(values, code, words):
    with pytest.raises(DataError) as caught:
        as_columns({"x": values}).column("x")
    assert words in str(caught.value)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([[1, 2], [3, 4]], "dict(zip(names, zip(*data)))"),
        ([{"x": 1}, {"x": 2}], "pandas.DataFrame(data)"),
        (np.ones((3, 2)), "columns=['x', 'y']"),
        ([1, 2, 3], "data is a list"),
        (None, "data is a NoneType"),
    ],
)
def test_data_without_named_columns_are_told(data, words):
    with pytest.raises(DataError) as caught:
        as_columns(data)
    assert words in str(caught.value)
    assert caught.value.code == "D114"


def test_columns_of_different_length_are_told():
    table = as_columns({"x": [1, 2], "y": [1]})
    table.column("x")
    with pytest.raises(DataError, match=r"x has 2, y has 1.*D115"):
        table.column("y")


def test_columns_of_a_frame_that_share_a_name_are_told():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 2, 3]], columns=["x", "x", "y"])
    with pytest.raises(DataError, match="2 columns are called 'x'"):
        as_columns(frame).numbers(("x", "y"))


def test_numbers_as_names_of_columns_are_taken_as_text():
    pandas = pytest.importorskip("pandas")
    assert as_columns(pandas.DataFrame([[1, 2]])).column("1").tolist() == [2.0]
