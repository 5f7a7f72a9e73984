"""What comparisons and searches return: NumPy's arrays with PyTorch's words."""

import copy
import pickle

import numpy as np
import pytest

import autodiff as ad
from autodiff.plain import PlainArray

LOGITS = [[0.1, 0.7, 0.2], [0.6, 0.2, 0.9], [3.0, 1.0, 2.0]]
LABELS = [1.0, 0.0, 0.0]


@pytest.fixture
def logits():
    return ad.tensor(LOGITS, requires_grad=True)


@pytest.fixture
def labels():
    return ad.tensor(LABELS)


def test_accuracy_in_the_ways_of_pytorch_scripts(logits, labels):
    predicted = logits.argmax(1)
    assert predicted.numpy().tolist() == [1, 2, 0]
    assert (predicted == labels).float().mean().item() == pytest.approx(2 / 3)
    assert (predicted == labels).sum().item() == 2
    assert (predicted == labels).sum().float() / len(labels) == pytest.approx(2 / 3)
    column = logits.argmax(dim=1, keepdim=True)
    assert column.eq(labels.view_as(column)).sum().item() == 2
    assert (logits.max(1).indices == labels).double().sum() == 2
    assert (ad.max(logits, 1)[1] == labels).long().tolist() == [1, 0, 1]


def test_masks_in_the_ways_of_numpy_scripts(logits):
    mask = logits > 0.5
    plain = logits.detach().numpy()
    assert np.array_equal(plain[mask], plain[plain > 0.5])
    assert np.array_equal(np.where(mask, 1.0, 0.0), (plain > 0.5) * 1.0)
    assert np.array_equal(mask & ~(logits > 2), (plain > 0.5) & ~(plain > 2))
    assert logits[mask].shape == (6,)
    assert (mask.any(), mask.all()) == (True, False)
    assert type(mask.mean()) is np.float64
    assert type(mask * 2.0) is np.ndarray
    assert mask.sum(axis=1).tolist() == mask.sum(dim=1).tolist() == [1, 2, 3]
    assert mask.all(dim=1, keepdim=True).tolist() == [[False], [False], [True]]


def test_a_mask_times_a_tensor_is_a_tensor(logits):
    for product in ((logits > 0.5) * logits, logits * (logits > 0.5)):
        assert product.requires_grad


def test_words_that_turn_or_pick_elements_keep_the_type(logits):
    mask, at = logits > 0.5, logits.argmax(1)
    for found, shape in (
        (mask.t(), (3, 3)),
        (mask.unsqueeze(0), (1, 3, 3)),
        (mask.view(-1), (9,)),
        (mask.view((1, 9)), (1, 9)),
        (mask.permute(1, 0), (3, 3)),
        (mask.clone(), (3, 3)),
        (mask[0].expand_as(logits), (3, 3)),
    ):
        assert type(found) is PlainArray
        assert found.dtype == bool
        assert found.shape == shape
    assert at.unsqueeze(1).dtype == np.int64
    assert logits.gather(1, at.unsqueeze(1)).squeeze(1).tolist() == [0.7, 0.9, 3.0]
    assert at.view(np.uint8).shape == (24,)


def test_types_are_asked_for_by_word(logits):
    mask = logits > 0.5
    assert mask.long().dtype == mask.to("int64").dtype == np.int64
    assert mask.long().bool().dtype == bool
    assert isinstance(mask.to(float), ad.Tensor)
    assert mask.to("cpu") is mask.cpu() is mask.detach() is mask
    with pytest.raises(ValueError, match="cuda"):
        mask.to("cuda")


def test_a_single_answer_is_an_index_a_key_and_a_condition(logits):
    at = logits[0].argmax()
    assert ["a", "b", "c"][at] == "b"
    assert {at: "found"}[1] == "found"
    assert logits[0][at].item() == 0.7
    assert f"{at} {at:d} {at / 2:.1f}" == "1 1 0.5"
    assert (at.item(), int(at), repr(at)) == (1, 1, "array(1)")
    assert not ad.isnan(logits.sum()).any()
    with pytest.raises(TypeError, match="unhashable"):
        hash(logits.argmax(1))


def test_operators_between_single_numbers_give_bools():
    x = ad.tensor(2.0)
    assert (x > 1) is True
    assert (x == ad.tensor(3.0)) is False
    assert x.gt(1).float().item() == 1.0


def test_copies_and_pickles_keep_the_words(logits):
    mask = logits > 0.5
    for again in (
        pickle.loads(pickle.dumps(mask)),
        copy.copy(mask),
        copy.deepcopy(mask),
    ):
        assert type(again) is PlainArray
        assert again.float().sum() == 6


def test_whole_numbers_of_a_tensor_have_no_fractions_and_no_gradient():
    x = ad.tensor([1.5, -2.5, 0.0], requires_grad=True)
    assert x.long().tolist() == x.int().tolist() == [1.0, -2.0, 0.0]
    assert not x.long().requires_grad
    assert x.bool().tolist() == [True, True, False]


def test_in_a_recorded_function_the_same_words_run_again():
    def accuracy(x, y):
        return (x.argmax(1) == y).float().mean() + (x > 0.5).sum() + x.long().sum()

    recorded = ad.compile(accuracy)
    for y in (LABELS, [0.0, 2.0, 1.0]):
        plain = accuracy(ad.tensor(LOGITS), ad.tensor(y))
        assert recorded(np.array(LOGITS), np.array(y)) == pytest.approx(plain.item())
