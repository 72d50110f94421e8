"""Whatever stands on a page: it is mapped, or refused with a short reason, by every back end; nothing else happens."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.backends import registry
from collectors.backends.mapping import MappingError
from collectors.backends.registry import UnknownBackendError
from collectors.model.batch import Layout, Samples
from collectors.stats.scraped import ScrapedStats
from collectors.wire.exposition import ExpositionError, PageReader
from tests.backends import (
    test_llamacpp,
    test_lmcache,
    test_mooncake,
    test_sglang,
    test_tgi,
    test_triton,
    test_trtllm,
    test_vllm_connectors,
)
from tests.backends.pages import FIXTURES

PAGES = {
    "vllm": (FIXTURES / "vllm" / "under_load.metrics.txt").read_text()
    + test_vllm_connectors.OFFLOAD
    + test_vllm_connectors.TWINS
    + test_vllm_connectors.TIERING
    + test_vllm_connectors.NIXL,
    "sglang": test_sglang.TODAY,
    "trtllm": test_trtllm.PAGE,
    "triton": test_triton.PAGE + (FIXTURES / "triton" / "nv_trt_llm.prom").read_text(),
    "tgi": test_tgi.PAGE,
    "llamacpp": test_llamacpp.text(test_llamacpp.COUNTERS, test_llamacpp.GAUGES),
    "lmcache": test_lmcache.MULTI_PROCESS + test_lmcache.IN_PROCESS,
    "mooncake": test_mooncake.PAGE + test_mooncake.PARTS + test_mooncake.CLIENT,
}
SAMPLE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
NAMES = {kind: sorted({found[1] for found in SAMPLE.finditer(page)}) for kind, page in PAGES.items()}
LABELS = {
    kind: sorted(
        {label for found in SAMPLE.finditer(page) for label in LABEL.findall(found[2] or "")} | {("le", "+Inf")}
    )
    for kind, page in PAGES.items()
}
TYPES = ("", "counter", "gauge", "histogram", "summary", "untyped")
VALUES = ("0", "-1", "3.5", "1e308", "NaN", "+Inf", "-Inf", "9223372036854775807")
STRANGE = st.sampled_from(["", "0", "-1", "NaN", "1e999", "9" * 400, "\\n", "\u202e", "None", "a/b"])


@st.composite
def samples(draw: st.DrawFn, kind: str) -> str:
    """One line, and perhaps a declaration before it, of names and labels that the back end looks at."""
    name = draw(st.sampled_from(NAMES[kind]))
    given_ = dict(draw(st.lists(st.sampled_from(LABELS[kind]), max_size=4)))
    for label in draw(st.lists(st.sampled_from(sorted(given_)), max_size=2)) if given_ else []:
        given_[label] = draw(STRANGE)
    declared = draw(st.sampled_from(TYPES))
    family = re.sub("_(bucket|sum|count)$", "", name) if draw(st.booleans()) else name
    labels = ",".join(f'{label}="{value}"' for label, value in given_.items())
    line = f"{name}{{{labels}}} {draw(st.sampled_from(VALUES))}\n"
    return f"# TYPE {family} {declared}\n{line}" if declared else line


@pytest.mark.parametrize("kind", sorted(PAGES))
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_page_is_mapped_or_refused(kind: str, data: st.DataObject) -> None:
    page = "".join(data.draw(st.lists(samples(kind), min_size=1, max_size=12)))
    reader = PageReader(wanted=registry.noticed)
    reason = ""
    try:
        reader.read(page.encode())
        backend = registry.recognise({*reader.families, *(key.family for key in reader.keys)})
        mapping = backend.map(reader.keys, "target")
    except (ExpositionError, UnknownBackendError, MappingError) as refused:
        reason = str(refused)
    if reason:
        assert len(reason) < 400
        assert reason.isprintable()
        return
    values = mapping.apply(reader.values)
    assert values.shape == (len(mapping.series),)
    assert {series.worker for series in mapping.series} <= {"", *(worker.id for worker in mapping.workers)}
    stats = ScrapedStats()
    stats.layout(Layout(mapping.series))
    stats.samples(Samples(values), 0)
    stats.samples(Samples(np.zeros_like(values)), 1_000_000_000)


@pytest.mark.parametrize("kind", sorted(PAGES))
def test_the_same_page_is_mapped_the_same(kind: str) -> None:
    reader = PageReader(wanted=registry.noticed)
    # twice declared families are refused; the pages here are put together of several
    page = "".join(f"{found[0]}\n" for found in SAMPLE.finditer(PAGES[kind]))
    reader.read(page.encode())
    backend = registry.named(kind)
    assert backend.detect({key.family for key in reader.keys})
    first, second = backend.map(reader.keys, "t"), backend.map(reader.keys, "t")
    assert first.series == second.series
    assert first.workers == second.workers
    np.testing.assert_array_equal(first.apply(reader.values), second.apply(reader.values))


def test_every_page_here_is_of_the_back_end_that_it_is_said_to_be() -> None:
    for kind, names in NAMES.items():
        assert registry.recognise(names).name == kind
