"""Prompts as text: tokens, names of blocks, and what two prompts have in common."""

import gc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulators.blocks import Chain, Run
from emulators.prompts import Part, Prompts, names

texts = st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.binary(max_size=300)), max_size=5)


def parts(said: list[tuple[str, bytes]]) -> list[Part]:
    return [Part(role, text) for role, text in said]


def named(runs: tuple[Run, ...]) -> list[int]:
    return [name for chain, lo, hi in runs for name in chain.names(lo, hi).tolist()]


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("ä" * 4, 2), ("字" * 3, 3)]
)
def test_a_token_is_four_bytes_of_utf8(text: str, tokens: int) -> None:
    assert Part("user", text.encode()).tokens == tokens


@given(texts, texts)
def test_blocks_are_the_same_as_long_as_all_before_their_end_is(
    one: list[tuple[str, bytes]], two: list[tuple[str, bytes]]
) -> None:
    def tokens(said: list[tuple[str, bytes]]) -> list[tuple[str, bool, bytes]]:
        cut = [
            (role, at == 0, text[at : at + 4].ljust(4, b"\0")) for role, text in said for at in range(0, len(text), 4)
        ]
        return [(role if first else "", first, text) for role, first, text in cut]

    a, b = tokens(one), tokens(two)
    # A block that is not full is called by what there is of it.
    padded = [said + [("", False, bytes(4))] * (-len(said) % 16) for said in (a, b)]
    same = 0
    for x, y in zip(*padded, strict=False):
        if x != y:
            break
        same += 1
    first, second = names(parts(one)), names(parts(two))
    assert len(first) == -(-len(a) // 16)
    shared = min(same // 16, len(first), len(second))
    assert (first[:shared] == second[:shared]).all()
    assert not np.isin(first[shared:], second).any()


@given(
    st.lists(st.lists(st.sampled_from([b"a" * 64, b"b" * 64, b"c" * 200]), min_size=1, max_size=6), max_size=12),
    st.data(),
)
def test_a_context_is_its_blocks_and_equal_blocks_are_in_one_chain(
    prompts: list[list[bytes]], data: st.DataObject
) -> None:
    tree, kept = Prompts(), []
    chains: dict[int, Chain] = {}
    for pieces in prompts:
        blocks = names([Part("", b"".join(pieces))])
        context = tree.context(blocks)
        kept.append(context)
        lo = data.draw(st.integers(0, len(blocks)))
        hi = data.draw(st.integers(lo, len(blocks)))
        assert named(context.runs(lo, hi)) == blocks[lo:hi].tolist()
        for chain, at, end in context.runs(0, len(blocks)):
            for name in chain.names(at, end).tolist():
                assert chains.setdefault(name, chain) is chain


def test_a_text_that_nobody_holds_is_forgotten() -> None:
    tree = Prompts()
    context = tree.context(names([Part("user", b"x" * 1_000)]))
    assert len(tree) == 1
    del context
    gc.collect()
    assert len(tree) == 0
