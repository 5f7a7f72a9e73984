"""Trees: what is a container, what is a leaf, and what the errors say."""

import dataclasses
from collections import OrderedDict, namedtuple

import numpy as np
import pytest

import autodiff as ad
from autodiff import tree

Point = namedtuple("Point", "x y")


@dataclasses.dataclass(frozen=True)
class Model:
    weights: object
    bias: object
    name: str = dataclasses.field(default="m", metadata={"static": True})


TREES = [
    1.0,
    3,
    True,
    np.arange(3.0),
    ad.tensor(1.0),
    None,
    (),
    [],
    {},
    (1.0,),
    [1.0, (2.0, None)],
    {"b": 1.0, "a": [2.0, 3.0]},
    OrderedDict([("z", 1.0), ("a", 2.0)]),
    Point(1.0, {"k": np.ones(2)}),
    Model(np.ones(2), 0.5, "mine"),
    {1: 2.0, "1": 3.0, (1, 2): 4.0},
]


@pytest.mark.parametrize("value", TREES, ids=repr)
def test_a_tree_comes_back_from_its_leaves(value):
    leaves, structure = tree.flatten(value)
    again = tree.unflatten(structure, leaves)
    assert type(again) is type(value)
    assert tree.flatten(again)[1] == structure
    assert len(leaves) == structure.n_leaves
    assert all(a is b for a, b in zip(tree.flatten(again)[0], leaves, strict=True))


def test_structures_of_dicts_do_not_depend_on_the_order_of_keys():
    a, b = {"x": 1.0, "y": 2.0}, {"y": 2.0, "x": 1.0}
    assert tree.flatten(a) == tree.flatten(b)
    assert hash(tree.flatten(a)[1]) == hash(tree.flatten(b)[1])


def test_a_dict_keeps_the_order_of_its_keys():
    leaves, structure = tree.flatten({"y": 2.0, "x": 1.0})
    assert list(tree.unflatten(structure, leaves)) == ["y", "x"]


def test_structures_that_differ_are_not_equal():
    structures = [tree.flatten(value)[1] for value in TREES[5:]]
    for i, a in enumerate(structures):
        assert all(a != b for b in structures[i + 1 :])


def test_static_fields_are_part_of_the_structure():
    one, two = (tree.flatten(Model(1.0, 2.0, name))[1] for name in "ab")
    assert one != two


@pytest.mark.parametrize(
    ("value", "where", "what"),
    [
        ("text", "value", "'str'"),
        ({"a": [1.0, "t"]}, r"value\['a'\]\[1\]", "'str'"),
        (Point(1.0, object()), r"value\.y", "'object'"),
        (1j, "value", "complex"),
        (np.ones(2, complex), "value", "complex128"),
        (np.array(["a"]), "value", "<U1"),
        ((x for x in [1.0]), "value", "once only"),
        ({1.0, 2.0}, "value", "'set'"),
        (len, "value", "builtin"),
    ],
)
def test_what_is_no_leaf_is_named_with_its_place(value, where, what):
    with pytest.raises(TypeError, match=f"^{where}: .*{what}"):
        tree.flatten(value)


@pytest.mark.parametrize(
    ("wanted", "given"),
    [
        ((1.0, 2.0), (1.0,)),
        ((1.0, 2.0), [1.0, 2.0]),
        ({"a": 1.0}, {"b": 1.0}),
        ({"a": 1.0}, 1.0),
        (1.0, {"a": 1.0}),
        (Point(1.0, 2.0), (1.0, 2.0)),
        (None, 1.0),
    ],
)
def test_a_tree_of_another_structure_is_refused(wanted, given):
    with pytest.raises(TypeError, match=r"seed.*expected"):
        tree.match(tree.flatten(wanted)[1], given, "seed")


def test_none_stands_for_nothing_in_a_whole_subtree():
    structure = tree.flatten((1.0, {"a": 2.0, "b": 3.0}))[1]
    assert tree.match(structure, (1.0, None), "seed") == [1.0, None, None]


def test_a_structure_can_be_read():
    _, structure = tree.flatten({"a": (1.0,), "b": [None, Point(1.0, 2.0)]})
    assert repr(structure) == "{'a': (*,), 'b': [None, Point(x=*, y=*)]}"
