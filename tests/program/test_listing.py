"""Listings: what a person reads of a program."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from program_format import record

import autodiff as ad
from autodiff.programs.listing import head, listing, to_dot
from autodiff.programs.loops import scan


def test_a_listing_has_a_line_for_each_instruction_and_its_place():
    program = record(lambda x, y: ad.sin(x) * y + 0.5, 1.0, 2.0)
    lines = listing(program).splitlines()
    assert lines[1:3] == ["  %0 = input  ()", "  %1 = input  ()"]
    assert re.fullmatch(r"  %2 = sin %0  \(\) +# test_listing.py:\d+", lines[3])
    assert [line.split("#")[0].strip() for line in lines[4:]] == [
        "%3 = mul %2, %1  ()",
        "%4 = const 0.5  ()",
        "%5 = add %3, %4  ()",
        "return %5",
    ]


def test_the_head_counts_operations_inputs_outputs_guards_and_bytes():
    program = record(lambda x: [x * x, x * 2] if x[0] > 0 else x, np.ones(3))
    text = head(program)
    assert text.startswith("8 instructions (") or "instructions (" in text
    assert "mul 2" in text
    assert ", 1 input, 2 outputs, 1 guard, " in text
    n_bytes = sum(8 * int(np.prod(i.shape)) for i in program.instructions())
    assert text.endswith(f"{n_bytes} bytes")


def test_attributes_and_constants_are_shown():
    program = record(lambda x: ad.cumsum(x[1:], 0) * np.arange(9.0), np.ones(10))
    text = listing(program)
    assert "as_strided %0  (9,) offset=1 strides=(1,)" in text
    assert "axis=0" in text
    assert "const [0.0, 1.0, 2.0, 3.0, ...]  (9,)" in text


def test_guards_say_what_they_hang_on_and_where():
    program = record(lambda x: ad.exp(x) if x > 0 else x, 1.0)
    assert re.search(r"guard %\d+ == 1 +# test_listing.py:\d+", listing(program))


def test_the_body_of_a_loop_is_listed_inside_of_it():
    program = record(lambda x: scan(lambda c, y: (c * y, c), x[0], x), np.ones(4))
    lines = listing(program).splitlines()
    [at] = [k for k, line in enumerate(lines) if " = scan " in line]
    assert lines[at + 1].startswith("      body: ")
    assert any(line.startswith("      %") and "mul" in line for line in lines)


def test_a_graph_has_a_box_for_each_instruction_and_an_arrow_for_each_operand():
    program = record(lambda x, y: ad.sin(x) * y if y > 0 else x, 1.0, 2.0)
    text = to_dot(program)
    instructions = program.instructions()
    assert len(re.findall(r"^  v\d+ \[label", text, re.MULTILINE)) == len(instructions)
    arrows = sum(len(i.args) for i in instructions) + 2
    assert text.count(" -> ") == arrows
    assert text.count("style=dashed];") == 2


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_takes_a_graph():
    text = to_dot(record(lambda x: ad.sin(x) * x, 1.0))
    subprocess.run(["dot", "-Tsvg"], input=text, text=True, check=True, stdout=-3)
