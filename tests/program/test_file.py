"""Programs as bytes: what is saved comes back, and nothing else does."""

import os
import pickle
import struct
import subprocess
import sys

import numpy as np
import pytest
from program_format import MAGIC, Draft, checksum, record, sealed

import autodiff as ad
from autodiff import _core
from autodiff.errors import ProgramError
from autodiff.programs.loops import scan


def everything(x, y):
    """Scalars, arrays, strides, indices, axes, constants, products."""
    matrix = np.arange(9.0).reshape(3, 3) - 4
    total = (matrix @ x).max() * ad.logsumexp(x, 0) + ad.cumsum(x, 0)[1] * y
    total = total + ad.cat([x, 2 * x, x])[4] + x[np.array([0, 2, 0])].prod()
    return ad.sin(total), x.std() / y, ad.fma(x, 2.0, y)


def samples():
    """Programs that hold all there is: a function, its gradient, a tangent of that."""
    program = record(everything, np.array([1.0, 2.0, 4.0]), 3.0)
    gradient = program.reverse([True, True])
    loop = record(
        lambda x: scan(lambda c, y: (ad.sin(c) * y, c + y), x[0], x), np.ones(3)
    ).reverse([True])
    solved = record(ad.linalg.solve, np.eye(2) + 0.1, np.ones((2, 1)))
    guarded = record(lambda x: 2 * x if x > 0 else -x, 3.0)
    n = len(gradient.input_shapes)
    return [
        program,
        gradient,
        gradient.forward([True] + [False] * (n - 1)),
        guarded,
        loop,
        solved,
    ]


def inputs_of(program, rng):
    shapes = program.input_shapes
    return [rng.uniform(1, 2, shape) if shape else 1.5 for shape in shapes]


@pytest.mark.parametrize("program", samples())
def test_a_loaded_program_computes_the_same_bits(program, rng):
    loaded = _core.program_from_bytes(program.to_bytes())
    inputs = inputs_of(program, rng)
    (z, guards), (w, others) = program.evaluate(inputs), loaded.evaluate(inputs)
    assert guards == others
    for a, b in zip(z, w, strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize("program", samples())
def test_saving_what_was_loaded_gives_the_same_bytes(program):
    data = program.to_bytes()
    assert _core.program_from_bytes(data).to_bytes() == data


def test_a_loaded_program_knows_lines_and_guards():
    program = record(lambda x: ad.exp(x) if x > 0 else x, 3.0)
    loaded = _core.program_from_bytes(program.to_bytes())
    assert loaded.guards == program.guards
    assert __file__ in loaded.guards[0][1]
    assert loaded.instructions()[-1] == program.instructions()[-1]


def test_another_process_can_load_what_this_one_saved(tmp_path):
    program = samples()[0]
    (tmp_path / "p").write_bytes(program.to_bytes())
    code = (
        "import sys, pathlib; from autodiff import _core;"
        "d = pathlib.Path(sys.argv[1]).read_bytes();"
        "sys.stdout.buffer.write(_core.program_from_bytes(d).to_bytes())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "p")]
    done = subprocess.run(command, capture_output=True, check=True, env=os.environ)
    assert done.stdout == program.to_bytes()


def test_programs_are_pickled_through_their_bytes():
    program = samples()[1]
    assert pickle.loads(pickle.dumps(program)).to_bytes() == program.to_bytes()


def test_the_bytes_are_those_that_the_format_says():
    draft = Draft(shapes=[(2,)])
    draft.input(1)
    draft.input()
    draft.add("mul", 0, 1, shape=1)
    draft.outputs = [2]
    assert draft.load().to_bytes() == draft.to_bytes()


def test_a_changed_byte_is_noticed():
    data = bytearray(samples()[0].to_bytes())
    data[len(data) // 2] ^= 1
    with pytest.raises(ProgramError, match="checksum"):
        _core.program_from_bytes(bytes(data))


def test_a_newer_version_is_refused_by_number():
    with pytest.raises(ProgramError, match="format 2"):
        Draft(version=2).load()


def test_an_unknown_operation_is_named():
    draft = Draft()
    draft.add("teleport")
    with pytest.raises(ProgramError, match="'teleport'"):
        draft.load()


def test_every_truncation_is_an_error():
    data = samples()[0].to_bytes()
    for n in range(len(data)):
        with pytest.raises(ProgramError):
            _core.program_from_bytes(data[:n])


def test_every_truncation_with_a_right_checksum_is_an_error():
    data = samples()[0].to_bytes()[:-8]
    for n in range(0, len(data), 3):
        with pytest.raises(ProgramError):
            _core.program_from_bytes(sealed(data[:n]))


def test_bytes_behind_the_end_are_an_error():
    with pytest.raises(ProgramError, match="end"):
        _core.program_from_bytes(sealed(samples()[0].to_bytes()[:-8] + b"\0"))


@pytest.mark.parametrize("at", range(0, 60, 4))
def test_a_huge_count_allocates_nothing_for_it(at):
    data = bytearray(samples()[0].to_bytes()[:-8])
    data[len(MAGIC) + 4 + at : len(MAGIC) + 8 + at] = b"\xff\xff\xff\x7f"
    with pytest.raises(ProgramError):
        _core.program_from_bytes(sealed(bytes(data)))


def mutated(data, rng):
    """Some bytes changed, cut out, doubled or put in; a good checksum behind."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 4)):
        at, kind = int(rng.integers(12, len(data))), rng.integers(5)
        n = int(rng.integers(1, 9))
        if kind == 0:
            data[at] = int(rng.integers(256))
        elif kind == 1:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 2:
            extreme = [0, 1, 0x7F, 0x80, 0xFF]
            data[at : at + n] = bytes([extreme[rng.integers(5)]] * n)
        elif kind == 3:
            del data[at : at + n]
        else:
            data[at:at] = data[at : at + n]
    return bytes(data)


@pytest.mark.parametrize("which", range(6))
def test_mutated_bytes_give_an_error_or_a_program_that_runs(which, rng):
    program = samples()[which]
    data, n_loaded = program.to_bytes()[:-8], 0
    for _ in range(1000):
        try:
            loaded = _core.program_from_bytes(sealed(mutated(data, rng)))
        except ProgramError:
            continue
        n_loaded += 1
        again = _core.program_from_bytes(loaded.to_bytes())
        assert again.to_bytes() == loaded.to_bytes()
        sizes = [np.prod(i.shape) for i in loaded.instructions()]
        if sum(sizes) < 1e5:
            loaded.evaluate(inputs_of(loaded, rng))
    assert n_loaded > 10  # the loader is not merely refusing all


def test_the_checksum_is_fnv_1a():
    assert checksum(b"a") == 0xAF63DC4C8601EC8C
    data = samples()[0].to_bytes()
    assert struct.unpack("<Q", data[-8:])[0] == checksum(data[:-8])
