"""Batches, distributions and random numbers: PyTorch's words around a model."""

import numpy as np
import pytest

import autodiff as ad
from autodiff.distributions import Bernoulli, Categorical, Normal, kl_divergence
from autodiff.utils.data import (
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    random_split,
)

# ---- Batches -------------------------------------------------------------------------


class Squares(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, i):
        return {"x": ad.tensor([float(i)]), "y": (i * i, str(i))}


def test_tensors_come_in_batches_of_rows():
    data = TensorDataset(ad.arange(10.0).reshape(5, 2), ad.arange(5.0))
    batches = list(DataLoader(data, batch_size=2))
    assert [x.shape for x, _ in batches] == [(2, 2), (2, 2), (1, 2)]
    assert ad.cat([y for _, y in batches]).tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    loader = DataLoader(data, batch_size=2, drop_last=True)
    assert len(loader) == len(list(loader)) == 2


def test_containers_of_examples_are_stacked_by_part():
    (batch,) = DataLoader(Squares(), batch_size=5)
    assert batch["x"].shape == (5, 1)
    assert batch["y"][0].tolist() == [0.0, 1.0, 4.0, 9.0, 16.0]
    assert batch["y"][1] == ["0", "1", "2", "3", "4"]


def test_a_shuffled_order_is_another_each_time_and_restarts():
    data = TensorDataset(ad.arange(20.0))

    def orders():
        ad.manual_seed(5)
        loader = DataLoader(data, batch_size=20, shuffle=True)
        return [next(iter(loader))[0].tolist() for _ in range(2)]

    first, second = orders()
    assert sorted(first) == list(range(20))
    assert first != second
    assert orders() == [first, second]


def test_a_split_has_every_example_once():
    for lengths in ([3, 2], [0.5, 0.5]):
        parts = random_split(Squares(), lengths)
        assert [len(part) for part in parts] == [3, 2]
        assert sorted(i for part in parts for i in part.indices) == list(range(5))
    assert Subset(Squares(), [4, 2])[1]["y"][0] == 4
    with pytest.raises(ad.ArgumentError, match="add up to the 5 examples"):
        random_split(Squares(), [1, 1])


def test_sets_and_batches_that_make_no_sense_are_errors():
    with pytest.raises(ad.ArgumentError, match="one length"):
        TensorDataset(ad.zeros(2), ad.zeros(3))
    with pytest.raises(ad.ArgumentError, match="batch_size"):
        DataLoader([1], batch_size=0)
    with pytest.raises(NotImplementedError, match="__getitem__"):
        Dataset()[0]


# ---- Distributions -------------------------------------------------------------------


def test_densities_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    mu, sigma = np.array([0.5, -1.0]), np.array([2.0, 0.3])
    normal, reference = Normal(mu, sigma), stats.norm(mu, sigma)
    assert np.allclose(normal.log_prob(0.7).numpy(), reference.logpdf(0.7), rtol=1e-14)
    assert np.allclose(normal.cdf(0.7).numpy(), reference.cdf(0.7), rtol=1e-14)
    assert np.allclose(normal.entropy().numpy(), reference.entropy(), rtol=1e-14)
    p = np.array([0.2, 0.9])
    for coin in (Bernoulli(p), Bernoulli(logits=np.log(p / (1.0 - p)))):
        for k in (0.0, 1.0):
            expected = stats.bernoulli(p).logpmf(k)
            assert np.allclose(coin.log_prob(k).numpy(), expected, rtol=1e-14)
        assert np.allclose(coin.entropy().numpy(), stats.bernoulli(p).entropy())


def test_classes_have_the_logarithms_of_their_shares():
    weights = np.array([[1.0, 3.0], [2.0, 2.0]])
    shares = weights / weights.sum(1, keepdims=True)
    for choice in (Categorical(weights), Categorical(logits=np.log(weights))):
        expected = np.log(shares[[0, 1], [1, 0]])
        assert np.allclose(choice.log_prob(ad.tensor([1, 0])).numpy(), expected)
        entropy = -(shares * np.log(shares)).sum(1)
        assert np.allclose(choice.entropy().numpy(), entropy)
        assert choice.log_prob(ad.tensor([[0, 1], [1, 1], [0, 0]])).shape == (3, 2)


def test_divergences_are_sums_over_the_difference_of_logarithms():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.3, 0.1])
    expected = (p * np.log(p / q)).sum()
    found = kl_divergence(Categorical(p), Categorical(q))
    assert found.item() == pytest.approx(expected, rel=1e-14)
    a, b = p[0], q[0]
    expected = a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b))
    found = kl_divergence(Bernoulli(a), Bernoulli(b))
    assert found.item() == pytest.approx(expected, rel=1e-14)
    # 0.5 (s / t)^2 + 0.5 ((m - n) / t)^2 - 0.5 - log(s / t)
    expected = 0.5 * 0.25 + 0.5 * 0.25 - 0.5 - np.log(0.5)
    found = kl_divergence(Normal(1.0, 1.0), Normal(0.0, 2.0))
    assert found.item() == pytest.approx(expected, rel=1e-14)
    with pytest.raises(NotImplementedError, match="Normal and Bernoulli"):
        kl_divergence(Normal(0.0, 1.0), Bernoulli(0.5))


def test_samples_have_the_shares_and_moments_asked_for():
    ad.manual_seed(0)
    n = 20_000
    drawn = Categorical(np.array([0.2, 0.8])).sample((n,))
    assert drawn.shape == (n,)
    assert drawn.mean().item() == pytest.approx(0.8, abs=0.02)
    assert Bernoulli(0.3).sample((n,)).mean().item() == pytest.approx(0.3, abs=0.02)
    numbers = Normal(2.0, 3.0).sample((n,))
    assert numbers.mean().item() == pytest.approx(2.0, abs=0.1)
    assert numbers.std().item() == pytest.approx(3.0, abs=0.1)
    rows = Categorical(np.array([[1.0, 0.0], [0.0, 1.0]])).sample((3,))
    assert rows.tolist() == [[0.0, 1.0]] * 3


def test_gradients_go_through_rsample_and_log_prob():
    mu, sigma = ad.tensor(1.0, requires_grad=True), ad.tensor(2.0, requires_grad=True)
    z = Normal(mu, sigma).rsample()
    z.backward()
    assert mu.grad.item() == 1.0
    assert sigma.grad.item() == pytest.approx((z.item() - 1.0) / 2.0)
    assert not Normal(mu, sigma).sample().requires_grad
    logits = ad.tensor([0.0, 1.0], requires_grad=True)
    Categorical(logits=logits).log_prob(1).backward()
    share = np.exp(1.0) / (1.0 + np.exp(1.0))
    assert np.allclose(logits.grad.numpy(), [share - 1.0, 1.0 - share])


def test_parameters_that_make_no_distribution_are_errors():
    for make in (
        lambda: Normal(0.0, 0.0),
        lambda: Categorical(np.array([-1.0, 2.0])),
        lambda: Categorical(),
        lambda: Bernoulli(1.5),
        lambda: Bernoulli(0.5, logits=0.0),
    ):
        with pytest.raises(ad.ArgumentError):
            make()


# ---- Random numbers, types and devices -----------------------------------------------


def test_random_numbers_have_the_shapes_and_ranges_asked_for():
    ad.manual_seed(1)
    whole = ad.randint(2, 5, (1000,))
    assert set(whole.tolist()) == {2.0, 3.0, 4.0}
    assert set(ad.randint(2, (50,)).tolist()) == {0.0, 1.0}
    assert sorted(ad.randperm(6).tolist()) == list(range(6))
    assert ad.normal(ad.zeros(3), 1.0).shape == ad.normal(0.0, 1.0, (3,)).shape
    assert ad.bernoulli(ad.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]
    assert sorted(ad.multinomial(ad.tensor([1.0, 1.0, 0.0]), 2).tolist()) == [0.0, 1.0]
    assert ad.multinomial(ad.ones(4, 2), 3, replacement=True).shape == (4, 3)
    filled = ad.zeros(500).uniform_(2.0, 3.0)
    assert 2.0 <= filled.min().item() <= filled.max().item() < 3.0
    assert ad.zeros(500).normal_(7.0, 0.1).mean().item() == pytest.approx(7.0, abs=0.1)
    for bad in (
        lambda: ad.randint(3, 3, (2,)),
        lambda: ad.multinomial(ad.tensor([1.0, 0.0]), 2),
        lambda: ad.multinomial(ad.tensor([-1.0, 2.0]), 1),
        lambda: ad.bernoulli(ad.tensor(2.0)),
        lambda: ad.normal(0.0, -1.0, (2,)),
    ):
        with pytest.raises(ad.ArgumentError):
            bad()


def test_types_and_devices_by_name():
    assert ad.tensor([1, 2], dtype=ad.long).dtype == ad.float64
    assert ad.LongTensor([1.5, -1.5]).tolist() == [1.0, -1.0]
    assert isinstance(ad.FloatTensor([1.0]), ad.Tensor)
    chosen = ad.device("cuda" if ad.cuda.is_available() else "cpu")
    assert ad.nn.Linear(1, 1).to(chosen).cpu().float().weight.device == "cpu"
    for asked in (
        lambda: ad.device("cuda"),
        lambda: ad.zeros(1).cuda(),
        lambda: ad.nn.Linear(1, 1).cuda(),
    ):
        with pytest.raises(ValueError, match="'cuda' is not supported"):
            asked()
    with pytest.raises(AttributeError, match=r"pickle\.dump"):
        _ = ad.save


def test_what_is_asked_for_as_bools_is_a_mask():
    x = ad.arange(3.0)
    mask = ad.tensor([True, False, True], dtype=ad.bool)
    assert x[mask].tolist() == x[ad.tensor([1.0, 0.0, 2.0]).to(ad.bool)].tolist()
    assert (~mask).tolist() == [False, True, False]
    assert ad.zeros(2, dtype=ad.bool).dtype == bool
    with pytest.raises(TypeError, match="no gradient"):
        ad.tensor([True], dtype=ad.bool, requires_grad=True)


def test_questions_and_grids():
    x = ad.tensor([[0.0, 2.0], [3.0, 0.0]])
    assert ad.nonzero(x).tolist() == [[0, 1], [1, 0]]
    assert [at.tolist() for at in x.nonzero(as_tuple=True)] == [[0, 1], [1, 0]]
    assert (x.count_nonzero().item(), ad.count_nonzero(x, 0).tolist()) == (2, [1, 1])
    assert ad.logical_and(x, x > 2).tolist() == [[False, False], [True, False]]
    assert x.logical_not().sum() == 2
    a, b = ad.meshgrid(ad.arange(2.0), ad.arange(3.0))
    assert (a + 10 * b).tolist() == [[0.0, 10.0, 20.0], [1.0, 11.0, 21.0]]
    assert ad.meshgrid(ad.arange(2.0), ad.arange(3.0), indexing="xy")[0].shape == (3, 2)
    assert ad.addmm(x, x, x, beta=0.5).tolist() == (0.5 * x + x @ x).tolist()


def test_axes_may_be_integers_of_numpy():
    x, axis = ad.tensor([[1.0, 2.0], [3.0, 4.0]]), np.int64(1)
    for name in "sum mean amax prod logsumexp std norm argmax any".split():
        by_numpy, by_python = (getattr(x, name)(dim=dim).tolist() for dim in (axis, 1))
        assert by_numpy == by_python
