"""Chips, models, engines and links: every figure has a source, and a table that is wrong says where."""

import msgspec
import pytest

from emulators import catalogue
from emulators.catalogue import CatalogueError, Figure, GpuChip, Link, Model, read


def figures(value: object) -> list[Figure]:
    if isinstance(value, Figure):
        return [value]
    if isinstance(value, msgspec.Struct):
        return [figure for name in value.__struct_fields__ for figure in figures(getattr(value, name))]
    return []


@pytest.mark.parametrize("tables", [catalogue.chips(), catalogue.engines(), catalogue.links()])
def test_every_figure_has_a_source_and_a_date(tables: dict[str, object]) -> None:
    assert tables
    for name, table in tables.items():
        found = figures(table)
        assert found, name
        for figure in found:
            assert len(figure.source) > 5
            assert figure.date[:2] == "20"
            assert figure.value > 0


def test_models_have_a_source_and_their_kv_follows_from_the_architecture() -> None:
    for model in catalogue.models().values():
        assert model.source
        assert model.date
    assert catalogue.models()["llama-3.1-8b"].kv_bytes_per_token(2) == 128 * 1024


def test_effective_figures_stay_below_the_peak() -> None:
    for link in catalogue.links().values():
        assert link.effective_bytes_per_s.value <= link.peak_bytes_per_s.value
    for chip in catalogue.chips().values():
        if isinstance(chip, GpuChip):
            assert 0 < chip.effective.mfu.value < 1
            assert 0 < chip.effective.memory_efficiency.value < 1


def test_unknown_names_name_the_known_ones() -> None:
    with pytest.raises(CatalogueError, match=r"'H900'.*H100-SXM"):
        catalogue.gpu("H900")
    with pytest.raises(CatalogueError, match="not an LPU"):
        catalogue.lpu("H100-SXM")
    with pytest.raises(CatalogueError, match="not a GPU"):
        catalogue.gpu("Groq-LPU-v1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a", "model: not TOML"),
        ("[a]\nsource = 'x'\n", "model 'a'.*date"),
        ("[a]\nsource='x'\ndate='y'\nparameters='many'\n", "model 'a'.*parameters"),
    ],
)
def test_a_wrong_table_says_where(text: str, message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        read(text, Model, "model")


def test_a_link_is_one_table() -> None:
    text = "\n".join(
        f"{name} = {{ value = {value}, source = 'mine', date = '2026-01' }}"
        for name, value in (("peak_bytes_per_s", 2e9), ("effective_bytes_per_s", 1e9), ("latency_s", 1e-6))
    )
    assert read(f"[mine]\n{text}", Link, "link")["mine"].latency_s.value == 1e-6
