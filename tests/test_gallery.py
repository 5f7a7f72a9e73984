"""Each example of the gallery shows what it is there for; the page has it as it is."""

import functools
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted(ROOT.glob("examples/[0-9][0-9]_*.py"))
# Scripts of which PyTorch prints the same, to the last digit: nothing random is in
# them.
SAME_IN_PYTORCH = [
    "01_leaves_and_intermediates",
    "04_by_hand_and_by_machine",
    "11_zero_grad_accumulate_step",
    "12_cutting_a_graph",
    "13_view_and_reshape",
]


def loaded(path):
    """Return a file as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = loaded(ROOT / "tools/gen_gallery.py")


@functools.cache
def lines(number):
    """Return what an example prints, as lines; run it once."""
    (script,) = ROOT.glob(f"examples/{number:02}_*.py")
    return tool.output(script).splitlines()


def line(number, beginning):
    """Return the rest of the one line of an example that begins so."""
    (found,) = [text for text in lines(number) if text.startswith(beginning)]
    return found[len(beginning) :]


def numbers(text):
    return [float(n) for n in re.findall(r"-?\b\d+(?:\.\d+)?(?:e[-+]?\d+)?", text)]


def test_leaves_and_intermediates():
    assert line(1, "leaves:").split() == ["True", "True", "not:", *["False"] * 3]
    assert line(1, "made by: ") == "None AddBackward0 MulBackward0"
    walked = [text.strip() for text in lines(1) if text.startswith("   ")]
    add, leaf = "AddBackward0", "AccumulateGrad"
    assert walked == ["MulBackward0", add, leaf, leaf, add, leaf]
    assert line(1, "dy/dw =").split()[0] == "5.0"
    assert line(1, "b.grad: ") == "None"
    assert "not a leaf" in line(1, "warned:")
    assert numbers(line(1, "kept:")) == [2, 3, 5]


def test_external_seeds():
    assert numbers(line(2, "seed [1.0, 1.0]:")) == [7, 3]
    assert numbers(line(2, "seed [1.0, 2.0]:")) == [9, 4]
    assert numbers(line(2, "J =")) == [5, 2, 2, 1]
    assert numbers(line(2, "[1.0, 1.0] J =")) == [7, 3]
    assert numbers(line(2, "[1.0, 2.0] J =")) == [9, 4]
    assert "scalar outputs" in line(2, "without a seed:")


def test_line_by_gradient_descent():
    rows = [numbers(text) for text in lines(3)[1:7]]
    assert [row[0] for row in rows] == [0, 10, 20, 30, 40, 50]
    for _, by_hand, by_engine, compiled in rows:
        assert by_hand == by_engine == compiled
    for name in ("by hand ", "engine  ", "compiled"):
        slope, offset, loss = numbers(line(3, f"{name}: y"))
        assert (slope, offset) == (pytest.approx(5, abs=1e-5), pytest.approx(3))
        assert loss < 1e-11
    assert line(3, "largest difference of losses below 1e-13: ") == "True"


def test_by_hand_and_by_machine():
    assert line(4, "the same after each of 90 steps: ") == "True"
    assert numbers(lines(4)[1])[1:3] == [1.260688, 1.260688]  # by paper
    assert numbers(line(4, "prediction for x = 4:")) == [7.9995]


def test_chain_rule_circuits():
    assert numbers(line(5, "J = 3(a + bc) =")) == [33, 3, 6, 9]
    assert numbers(line(5, "f = 2(xy + max(z, w)) =")) == [-20, -8, 6, 2, 0]
    value, *gradient = numbers(line(5, "neuron ="))
    assert value == 0.7311
    assert gradient == numbers(line(5, "by hand:")) == [-0.1966, -0.3932, 0.1966]
    staged = numbers(line(5, "staged by hand:"))
    assert staged == numbers(line(5, "by the tape:"))
    assert staged == [1.545644884107, 2.059569795572, 1.592232751484]


def test_matrix_gradients():
    assert len(lines(6)) == 7
    assert all(text.endswith("agrees: True") for text in lines(6))


def test_three_layer_network():
    by_formulas, by_engine = numbers(lines(7)[0])
    assert by_formulas == by_engine
    assert len(lines(7)) == 7
    assert all(text.endswith("equal to 1e-12: True") for text in lines(7)[1:])


def test_convolution_by_hand():
    for name in ("y", "dx", "dweight", "dbias"):
        assert line(8, f"{name} ").endswith("equal to 1e-12: True")
    assert line(8, "col2im is the adjoint of im2col: ") == "True"
    assert "larger than the input" in line(8, "a kernel that does not fit:")


def test_pooling_by_hand():
    agreed = [text for text in lines(9) if "the engine agrees" in text]
    assert len(agreed) == 4
    assert all(text.endswith("True") for text in agreed)
    gradients = [numbers(text) for text in lines(9) if text.startswith("  gradient")]
    # The tie of the two sevens goes to the first; overlapping, it wins four times.
    assert gradients[2] == [0, 0, 1, 0]
    assert gradients[4:8] == [[0] * 4, [0] * 4, [0, 0, 4, 0], [0] * 4]
    assert gradients[8:12] == [[0.25] * 4] * 4
    corner, edge, middle = 0.111, 0.222, 0.444
    outer, inner = [corner, edge, edge, corner], [edge, middle, middle, edge]
    assert gradients[12:] == [outer, inner, inner, outer]
    sums = [numbers(text) for text in lines(9) if "sum of" in text]
    assert sums == [[4.0]] * 4


@pytest.mark.slow
def test_small_cnn_reads_at_least_97_percent_of_the_digits():
    accuracy, _ = numbers(line(10, "test accuracy:"))
    assert accuracy >= 97.0


def test_zero_grad_accumulate_step():
    rounds = [text for text in lines(11) if "->" in text]
    assert len(rounds) == 6
    for text in rounds:
        calls = text.split(" loss")[0].split("->")
        calls = [name.strip() for name in calls] * 2
        # Only the order in the cycle counts: what comes next after zero_grad.
        is_right = calls[calls.index("zero_grad") + 1] == "backward"
        assert ("learns nothing" not in text) == is_right
        assert numbers(text.split("loss")[1])[0] == (0.0 if is_right else 4.178)
    assert "loss above 1: True" in line(11, "never zeroed")
    assert line(11, "equal to 1e-14: ") == "True"


def test_cutting_a_graph():
    x, w = "[2.0, 8.155]", "[1.0, 2.718]"
    for how, expected in {
        "nothing": [x, w, "True"],
        "detach": ["None", w, "True"],
        "data": ["None", w, "True"],
        "clone": [x, w, "True"],
        "no_grad": ["None", "None", "False"],
        "requires_grad_(False)": [x, "None", "True"],
    }.items():
        assert re.split(r"\s{2,}", line(12, how + " ").strip()) == expected
    assert line(12, "after .data.zero_():").split(" - ")[0].strip() == "[0.0, 0.0]"
    assert "inplace operation" in line(12, "after .detach().zero_():")
    assert numbers(line(12, "after .detach().clone().zero_():")) == [1, 2.718]
    assert "a leaf" in line(12, "x.add_(1):")


def test_view_and_reshape():
    assert line(13, "reshaped after requires_grad: ") == "None | leaf: False"
    assert lines(13)[1].startswith("an optimiser refuses it")
    assert numbers(line(13, "requires_grad after reshape:")) == [1, 2, 1, 2]
    assert numbers(line(13, "keep the leaf:")) == [1, 2, 1, 2]


def test_gradient_surgery():
    assert numbers(line(14, "normal:")) == [12, 4, 3]
    assert numbers(line(14, "times ten:")) == [12, 40, 30]
    assert numbers(line(14, "clipped:")) == [12, 1, 1]
    assert line(14, "first only:").strip() == "(12.0, 4.0, None)"
    assert numbers(line(14, "normal again:")) == [12, 4, 3]
    assert numbers(line(14, "5 outside + 50 inside =")) == [55]
    assert numbers(line(14, "round, straight through:"))[:3] == [1, 1, 1]
    assert "did you mean 'mul'" in line(14, "unknown name:")
    assert "returned 1 gradient" in line(14, "wrong number:")
    assert line(14, "x.grad is untouched: ") == "None"


@pytest.mark.slow
def test_stop_gradient_keeps_the_features_apart():
    with_stop = numbers(line(15, "with stop-gradient:"))
    without = numbers(line(15, "without           :"))
    assert with_stop[1] > 0.25
    assert without[1] < 0.05


@pytest.mark.slow
def test_gradient_reversal_and_label_flipping():
    source_only = numbers(line(16, "source only"))
    assert source_only[0] > 99
    for how in ("reversal", "flipping"):
        on_source, on_target = numbers(line(16, how))
        assert on_source > 95
        assert on_target > source_only[1] + 8
    head = lines(16).index("z of the head   reversed   flipped")
    slopes = [numbers(text) for text in lines(16)[head + 1 : head + 5]]
    assert slopes == [  # 1 - s(z) and s(z)
        [-2, 0.881, 0.119],
        [0, 0.5, 0.5],
        [2, 0.119, 0.881],
        [4, 0.018, 0.982],
    ]
    assert lines(16)[-1].endswith("more than 1: True")


@pytest.mark.slow
def test_two_networks_taking_turns():
    said = [text.split(":")[-1].strip() for text in lines(17)[:5]]
    assert said == ["True", "False", "True", "False", "True"]
    assert "a second time" in line(17, "swept twice:")
    for how in ("kept", "rebuilt", "detached"):
        assert line(17, f"{how} ").endswith("True")
    mean, deviation, _, _ = numbers(line(17, "made:"))
    assert mean == pytest.approx(4.0, abs=0.2)
    assert deviation == pytest.approx(1.25, abs=0.15)


def test_nan_hunting():
    assert line(18, "  gradient only: ") == "div of [0.5, 0.0] gave inf"
    found = [text for text in lines(18) if text.startswith("  value: ")]
    assert found == [
        "  value: div of [0.0, 0.0] gave nan",
        "  value: log of [-0.1] gave nan",
    ]
    written = [text.strip() for text in lines(18) if text.startswith("    ")]
    assert written == [
        "return ((ad.sqrt(p) - t) ** 2).sum()",
        "return abs((p - t) / t).mean()",
        "return -(t * ad.log(p)).sum()",
        "y = ad.log(x) * 3.0",
    ]
    assert "sqrt sent -inf" in "\n".join(lines(18))
    assert numbers(line(18, "where:"))[0] == 0


def test_exploding_and_vanishing():
    text = "\n".join(lines(19))
    sigmoid, large, right, clipped = text.split("---")[1:]
    norms = [float(row.split()[3]) for row in sigmoid.splitlines()[2:11]]
    assert norms == sorted(norms)  # smaller with each layer further back
    assert norms[-1] / norms[0] > 4**6
    assert sigmoid.count("vanishing") >= 2
    assert large.count("exploding") == 9
    assert "vanishing" not in right
    assert "exploding" not in right
    assert "exploding" not in clipped
    before, after = numbers(line(19, "norm before clipping:"))
    assert before > 1e7
    assert after == 1.0


def test_teach_yourself_a_tape():
    for name in ("value:", "df/dx:", "df/dy:", "df/dz:"):
        ours, theirs = numbers(line(21, name))
        assert ours == pytest.approx(theirs, rel=1e-14)
    assert line(21, "equal to 1e-14: ") == "True"
    (script,) = ROOT.glob("examples/21_*.py")
    engine = script.read_text(encoding="utf-8").split("class Tape")[1]
    assert len(engine.split("def f(")[0].splitlines()) <= 100


@pytest.mark.slow
def test_the_page_has_the_code_and_the_output_of_each_example():
    outputs = {
        script.name: "\n".join(lines(int(script.name[:2]))) for script in EXAMPLES
    }
    page = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    assert tool.differences(page, tool.page(outputs)) == []


def test_the_page_shows_the_pictures_that_are_drawn():
    drawn = {script.stem for script in EXAMPLES if tool.draws(script)}
    kept = {path.stem for path in (ROOT / "docs/gallery").glob("*.svg")}
    assert drawn == kept


def test_a_picture_is_written_to_the_path_given(tmp_path):
    (script,) = ROOT.glob("examples/03_*.py")
    tool.output(script, tmp_path / "loss.svg")
    text = (tmp_path / "loss.svg").read_text(encoding="utf-8")
    assert text.startswith("<svg ")
    assert "<polyline" in text


def test_the_comparison_of_pages_sees_another_word_and_another_number():
    assert tool.differences("loss 0.50 True\n", "loss 0.52 True\n") == []
    assert tool.differences("loss 0.50 True\n", "loss 0.70 True\n") != []
    assert tool.differences("loss 0.50 True\n", "loss 0.50 False\n") != []
    assert tool.differences("loss 0.50\n", "loss 0.50\nmore\n") != []


def test_the_digits_are_those_of_the_data_set():
    with np.load(ROOT / "examples/digits.npz") as file:
        images, labels = file["images"], file["labels"]
    assert images.shape == (1797, 8, 8)
    assert (images.min(), images.max(), int(images.sum())) == (0, 16, 561718)
    assert np.bincount(labels).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="compares with PyTorch"
)
@pytest.mark.parametrize("name", SAME_IN_PYTORCH)
def test_pytorch_prints_the_same(name, tmp_path):
    text = (ROOT / f"examples/{name}.py").read_text(encoding="utf-8")
    text, n = re.subn(
        "^import autodiff as torch.*$", "import torch", text, flags=re.MULTILINE
    )
    assert n == 1
    script = tmp_path / f"{name}.py"
    script.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == lines(int(name[:2]))
