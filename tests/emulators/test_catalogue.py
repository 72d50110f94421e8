"""Chips, models, engines and links: every figure has a source, and a table that is wrong says where."""

from pathlib import Path

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


@pytest.mark.parametrize(
    ("model", "value_bytes", "size"),
    [
        ("llama-3.1-70b", 2, 320 * 1024),
        ("llama-2-7b", 2, 512 * 1024),
        ("llama-3.1-405b", 1, 126 * 2 * 8 * 128),
        ("gpt-oss-120b", 2, 36 * 2 * 8 * 64 * 2),
        ("deepseek-r1", 2, 61 * (512 + 64) * 2),
    ],
)
def test_kv_per_token(model: str, value_bytes: int, size: int) -> None:
    assert catalogue.models()[model].kv_bytes_per_token(value_bytes) == size


def test_experts_are_the_rest_of_the_parameters() -> None:
    # Mixtral: 8 experts of 3 · 4,096 · 14,336 in 32 layers.
    assert catalogue.models()["mixtral-8x7b"].routed_parameters == pytest.approx(8 * 3 * 4_096 * 14_336 * 32, rel=0.01)
    # DeepSeek: 256 routed experts of 3 · 7,168 · 2,048 in 58 layers.
    assert catalogue.models()["deepseek-r1"].routed_parameters == pytest.approx(256 * 3 * 7_168 * 2_048 * 58, rel=0.01)
    assert catalogue.models()["llama-3.1-8b"].routed_parameters == 0


def test_every_chip_and_family_of_models_is_there() -> None:
    chips = {
        "Groq-LPU-v1", "Groq-3-LPU", "Groq-3-LPX-tray", "Groq-3-LPX-rack", "WSE-3", "A100-SXM", "H100-SXM", "H200-SXM", "L40S", "B200-SXM", "B300-SXM",
        "GB200", "GB300", "Rubin", "Rubin-CPX", "TPU-v5e", "TPU-v6e", "TPU-v7", "Trainium2", "Trainium3",
    }  # fmt: skip
    assert chips <= set(catalogue.chips())
    cpx = catalogue.chips()["Rubin-CPX"]
    assert cpx.status is not None
    assert "withdrawn" in cpx.status
    for family in ("llama-2", "llama-3", "qwen3", "mixtral", "gpt-oss", "deepseek-r1", "gemma"):
        assert any(name.startswith(family) for name in catalogue.models()), family
    sizes = [model.parameters for model in catalogue.models().values()]
    assert min(sizes) < 1.1e9
    assert max(sizes) > 400e9


def test_shares_of_the_peak_are_not_fitted_to_a_chip() -> None:
    gpus = [chip for chip in catalogue.chips().values() if isinstance(chip, GpuChip)]
    shares = {(gpu.mfu("bf16"), gpu.effective.mfu.value, gpu.effective.memory_efficiency.value) for gpu in gpus}
    assert shares == {(0.65, 0.5, 0.8)}


def test_precision_that_a_chip_has_not_is_widened() -> None:
    a100, b200 = catalogue.gpu("A100-SXM").peak, catalogue.gpu("B200-SXM").peak
    assert a100.flops("fp8") == a100.flops("bf16") == 312e12
    assert not a100.native("fp8")
    assert b200.native("fp4")
    assert (b200.flops("bf16"), b200.flops("fp8"), b200.flops("fp4")) == (2250e12, 4500e12, 4500e12)


@pytest.mark.parametrize(
    ("said", "meant"), [("meta-llama/LLAMA-3.1-70b", "llama-3.1-70b"), ("llama2-70b", "llama-2-70b")]
)
def test_models_are_found_by_other_names(said: str, meant: str) -> None:
    assert catalogue.named(catalogue.models(), said, "model") == meant


CHIP = """
[chip.X]
device = "GPU"
tier = "HBM"
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[gpu.X]\n", r"mine.toml: \[gpu\] is none of"),
        ("model = 3\n", "must be a table of tables"),
        ("[chip.H100-SXM]\n", "'H100-SXM' is in the catalogue already"),
        (CHIP, "chip 'X'.*peak"),
        ("[chip.X]\ndevice = 'NPU'\n", "chip 'X'.*NPU"),
        ("[model.m]\nsource='s'\ndate='d'\nparameters=1\nlayers=0\nhidden=1\nheads=1\nkv_heads=1\nhead_dim=1\nvocabulary=1\n", "layers must be above 0"),
        ("[model.m]\nspeed=3\n", "model 'm'"),
        ("[link.l]\nlatency_s = { value = -1, source = 's', date = 'd' }\n", "link 'l'.*above 0"),
        ("[link.l]\nlatency_s = { value = inf, source = 's', date = 'd' }\n", "link 'l'.*above 0"),
    ],
)  # fmt: skip
def test_a_wrong_file_of_a_user_adds_nothing(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    before = [set(tables) for tables in (catalogue.chips(), catalogue.models(), catalogue.links())]
    with pytest.raises(CatalogueError, match=message):
        catalogue.add(path)
    assert [set(tables) for tables in (catalogue.chips(), catalogue.models(), catalogue.links())] == before
    assert not catalogue.added(path)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "large").write_text("#" * (1 << 20) + "\n")
    for name in ("absent", "bytes", "large"):
        with pytest.raises(CatalogueError, match=name):
            catalogue.add(tmp_path / name)


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
