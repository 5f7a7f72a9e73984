"""Each thread records on its own tape; leaves are shared; graphs do not mix."""

import gc
import threading

import pytest

import autodiff as ad


def run(function):
    """Call it in a thread of its own; return what it returns, or raise."""
    found = []

    def work():
        try:
            found.append((function(), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    value, error = found[0]
    if error is not None:
        raise error
    return value


@pytest.fixture
def x():
    return ad.tensor(2.0, requires_grad=True)


@pytest.fixture
def foreign(x):
    """A result recorded by this thread, to be used by another."""
    return x * x


USES = {
    "operator": lambda y: y * 2.0,
    "reflected": lambda y: 2.0 * y,
    "function": lambda y: ad.sin(y),
    "three operands": lambda y: ad.where(y > 0, y, 0.0),
    "structure": lambda y: ad.cat([y.reshape(1), y.reshape(1)]),
    "in place": lambda y: y.add_(1.0),
    "backward": lambda y: y.backward(),
    "seed": lambda y: ad.tensor(1.0, requires_grad=True).backward(y),
    "grad": lambda y: ad.autograd.grad(y, y),
    "tangent": lambda y: ad.tangent(y, y),
    "report": lambda y: ad.nan_report(y),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_result_of_another_thread_is_an_error(foreign, use):
    with pytest.raises(ad.ThreadError, match=r"another thread.*detach\(\)"):
        run(lambda: use(foreign))


def test_the_graph_is_unharmed_by_the_error(x, foreign):
    with pytest.raises(ad.ThreadError):
        run(lambda: foreign * 2.0)
    foreign.backward()
    assert x.grad.item() == 4.0


def test_a_detached_result_may_go_to_another_thread(foreign):
    assert run(lambda: (foreign.detach() * 2.0).item()) == 8.0


def test_the_value_of_a_result_may_be_read_elsewhere(foreign):
    assert run(foreign.item) == 4.0


def test_leaves_are_shared(x):
    run(lambda: (x * x).backward())
    (x * 3.0).backward()
    assert x.grad.item() == 7.0


def test_a_leaf_is_recorded_on_each_tape(x):
    y = x * x
    run(lambda: (x * x * x).backward())
    y.backward()
    assert x.grad.item() == 16.0


def test_a_leaf_that_another_thread_changed_has_its_new_value(x):
    stale = x * x

    def update():
        (x * 1.0).backward()
        with ad.no_grad():
            x.add_(1.0)

    run(update)
    x.grad = None
    (x * x).backward()
    assert x.grad.item() == 6.0
    assert stale.item() == 4.0


def test_tapes_are_reported_by_thread(x):
    y = x * x
    before = ad.tape_info().entries
    assert run(lambda: ad.tape_info().entries) == 0
    assert ad.tape_info().entries == before
    assert y.item() == 4.0


def test_a_result_may_outlive_its_thread(x):
    y = run(lambda: ad.exp(x) * x)
    assert y.requires_grad
    with pytest.raises(ad.ThreadError):
        y.backward()


def test_what_outlives_its_thread_can_be_dropped_in_any_order(x):
    def make():
        y = ad.tensor([1.0, 2.0], requires_grad=True) * x
        y.register_hook(lambda g: None)
        return [y, y.grad_fn, y.detach(), y.sum(), x * x]

    for order in range(5):
        kept = run(make)
        while kept:
            kept.pop(order % len(kept))
    gc.collect()
    assert (x * x).item() == 4.0


def test_what_a_function_saved_may_outlive_its_thread(x):
    class Keep(ad.autograd.Function):
        @staticmethod
        def forward(ctx, v):
            ctx.kept = results[0]
            return v * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    results = []

    def work():
        results.append(x * x * x)
        return Keep.apply(x)

    y = run(work)
    results.clear()
    del y
    with ad.no_grad():
        x.add_(1.0)  # its entry on the other tape is gone
    (x * x).backward()
    assert x.grad.item() == 6.0


def test_many_threads_accumulate_in_one_leaf(x):
    barrier = threading.Barrier(8)

    def work():
        barrier.wait()
        for _ in range(200):
            (x * x + x).backward()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.item() == 8 * 200 * 5.0


def test_errors_of_two_sweeps_do_not_mix(x):
    seen = []

    def work(name):
        def fail(gradient):
            for _ in range(1000):
                pass
            raise KeyError(name)

        for _ in range(200):
            y = x * x
            y.register_hook(fail)
            try:
                y.backward()
            except KeyError as error:
                seen.append(error.args[0] == name)

    threads = [threading.Thread(target=work, args=(n,)) for n in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 400
    assert all(seen)
