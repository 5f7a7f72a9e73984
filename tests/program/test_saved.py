"""Compiled functions as files and pickles."""

import multiprocessing
import pickle
import random
import subprocess
import sys
import zlib

import dask
import joblib
import numpy as np
import pytest

import autodiff as ad
from autodiff.errors import ArgumentError, ProgramError, TraceError


def plain(x):
    return {"a": (x[0] * x[1],), "b": [ad.exp(x)]}


def recorded():
    f = ad.compile(lambda x: x**3 if x > 0 else ad.sin(x), max_paths=7)
    f(2.0)
    f(-2.0)
    return f


def test_a_saved_function_replays_with_all_its_paths(tmp_path):
    f = recorded()
    f.save(tmp_path / "f.ad")
    g = ad.load(tmp_path / "f.ad")
    for x in (0.5, -0.5, 3.0):
        assert g(x) == f(x)
        assert g.grad(x) == f.grad(x)
        assert g.hessian(x) == f.hessian(x)
    assert g.max_paths == 7
    assert len(g.programs) == 2


def test_structures_of_arguments_and_results_are_kept():
    f = ad.compile(plain)
    x = np.array([1.0, 2.0])
    f(x)
    found = ad.load(f.to_bytes())(x)
    assert found["a"] == (2.0,)
    np.testing.assert_array_equal(found["b"][0], np.exp(x))


def test_a_path_that_was_not_recorded_needs_the_function():
    f = ad.compile(lambda x: x if x > 0 else -x)
    f(1.0)
    data = f.to_bytes()
    with pytest.raises(TraceError, match="without its Python function"):
        ad.load(data)(-1.0)
    assert ad.load(data, lambda x: x if x > 0 else -x)(-1.0) == 1.0


def test_other_arguments_than_were_recorded_need_the_function():
    f = ad.compile(lambda x: x * 2)
    f(1.0)
    with pytest.raises(TraceError, match="not recorded"):
        ad.load(f.to_bytes())(np.ones(3))


def test_static_arguments_are_part_of_what_is_saved():
    f = ad.compile(lambda x, n: x**n, static_argnames="n")
    f(2.0, 3)
    f(2.0, n=2)
    g = ad.load(f.to_bytes())
    assert (g(2.0, 3), g(2.0, n=2), g.grad(2.0, 3)) == (8.0, 4.0, 12.0)


def test_masks_stay_masks():
    f = ad.compile(lambda x, m: ad.where(m, x, 0.0).sum())
    x, m = np.array([1.0, 2.0]), np.array([True, False])
    f(x, m)
    assert ad.load(f.to_bytes())(x, m) == 1.0


def test_what_cannot_be_saved_says_why():
    w = ad.tensor(2.0, requires_grad=True)
    f = ad.compile(lambda x: x * w)
    f(1.0)
    with pytest.raises(ArgumentError, match="closes over"):
        f.to_bytes()


# ---- Pickles -------------------------------------------------------------------------


def test_a_pickled_lambda_takes_its_programs_along():
    g = pickle.loads(pickle.dumps(recorded()))
    assert g(2.0) == 8.0
    assert g.grad(2.0) == 12.0


def test_a_pickled_function_of_a_module_can_take_new_paths():
    f = ad.compile(plain)
    f(np.ones(2))
    assert pickle.loads(pickle.dumps(f))(np.ones(3))["a"] == (1.0,)


def test_another_process_runs_it():
    context = multiprocessing.get_context("spawn")
    f = recorded()
    with context.Pool(1) as pool:
        assert pool.map(f, [1.0, -1.0]) == [f(1.0), f(-1.0)]


def test_the_processes_of_dask_run_it_and_its_gradient():
    f = recorded()
    tasks = [dask.delayed(f)(2.0), dask.delayed(f.grad)(-2.0)]
    found = dask.compute(*tasks, scheduler="processes", num_workers=1)
    assert found == (f(2.0), f.grad(-2.0))


def test_the_processes_of_joblib_run_its_gradient():
    f = recorded()
    with joblib.parallel_config(backend="loky", n_jobs=2):
        found = joblib.Parallel()(joblib.delayed(f.grad)(x) for x in (2.0, -2.0))
    assert found == [f.grad(2.0), f.grad(-2.0)]


def test_another_process_loads_it(tmp_path):
    recorded().save(tmp_path / "f.ad")
    code = f"import autodiff as ad; print(ad.load({str(tmp_path / 'f.ad')!r})(2.0))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "8.0\n"


# ---- Hostile bytes -------------------------------------------------------------------


def with_checksum(data):
    """The same bytes with the checksum that they ought to have."""
    start = len(b"autodiff function\n") + 8
    body = data[start:]
    return data[: start - 4] + zlib.crc32(body).to_bytes(4, "little") + body


def test_every_cut_is_an_error():
    data = recorded().to_bytes()
    for n in range(0, len(data), 7):
        with pytest.raises(ProgramError):
            ad.load(data[:n])


def test_every_flipped_byte_is_an_error():
    data = recorded().to_bytes()
    for at in range(0, len(data), 5):
        bad = bytearray(data)
        bad[at] ^= 0x41
        with pytest.raises(ProgramError):
            ad.load(bytes(bad))


def test_bytes_with_the_right_checksum_are_refused_or_run():
    data = recorded().to_bytes()
    rng = random.Random(20240229)
    n_loaded = 0
    for _ in range(2000):
        bad = bytearray(data)
        for _ in range(rng.randint(1, 3)):
            bad[rng.randrange(18, len(bad))] = rng.randrange(256)
        try:
            found = ad.load(with_checksum(bytes(bad)))
        except ProgramError:
            continue
        n_loaded += 1
        assert len(found.programs) <= 2
    assert n_loaded < 2000


@pytest.mark.parametrize("data", [b"", b"autodiff function\n", b"x" * 100])
def test_other_bytes_are_no_function(data):
    with pytest.raises(ProgramError, match="not a saved function"):
        ad.load(data)


def test_a_later_version_is_named():
    data = recorded().to_bytes()
    at = len(b"autodiff function\n")
    with pytest.raises(ProgramError, match="version 9"):
        ad.load(data[:at] + b"\x09" + data[at + 1 :])


@pytest.mark.parametrize("bad", [3, None, 1.5])
def test_what_is_no_path_is_refused(bad):
    with pytest.raises(TypeError, match="path"):
        ad.load(bad)
    with pytest.raises(TypeError, match="path"):
        recorded().save(bad)
