"""Measured rows in, errors out: the gates on a subset, what is skipped and why, the arithmetic of the report."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from emulators import catalogue
from emulators.calibration import rows as rows_module
from emulators.calibration.report import Result, failed, report, text
from emulators.calibration.rows import GpuRow, LpuRow, Row, RowsError, Skipped, read
from emulators.calibration.silicon import calibrate, shipped
from emulators.calibration.simulate import Simulated, gpu_row
from tui.cli import cli

SILICON = (
    "model_path,system,precision,mode,backend,isl,osl,concurrency,tp_size,prefill_num_workers,prefill_tp_size,"
    "decode_batch_size,decode_num_workers,decode_tp_size,silicon_ttft_ms,silicon_tpot_ms\n"
)
GOOD = "meta-llama/Llama-3.1-70B,h200_sxm,fp8,agg,vllm,1024,128,4,8,,,,,,70,8\n"


@pytest.fixture(scope="module")
def all_rows() -> list[Row]:
    return shipped()


def test_the_files_that_come_along_are_read(all_rows: list[Row]) -> None:
    assert len(all_rows) == 1_736 + 151 + 12
    gated = [row for row in all_rows if not isinstance(row, Skipped) and row.gated]
    assert sum(row.group == "llama-3.1-70b fp8 vllm agg" for row in gated) == 164
    assert {row.chip for row in gated if isinstance(row, GpuRow) and not row.static} == set(rows_module.GATED_CHIPS)


def test_gates_hold_on_a_subset(all_rows: list[Row]) -> None:
    gated = [row for row in all_rows if not isinstance(row, Skipped) and row.gated]
    silicon = [row for row in gated if isinstance(row, GpuRow) and not row.static and row.clients <= 16]
    rest = [row for row in gated if isinstance(row, LpuRow) or (isinstance(row, GpuRow) and row.static)]
    made = calibrate([*silicon[::5], *rest], processes=1)
    assert len(made["gates"]) == 8
    assert [gate["name"] for gate in made["gates"] if not gate["passed"]] == []
    assert not failed(made)
    assert made["skipped"] == []
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_the_same_row_gives_the_same_figures(all_rows: list[Row]) -> None:
    some = [row for row in all_rows if isinstance(row, GpuRow) and row.clients <= 4 and row.output <= 1024][::20]
    assert calibrate(some, processes=1) == calibrate(some, processes=2)


def test_a_first_token_comes_once_however_often_a_request_is_preempted(all_rows: list[Row]) -> None:
    """One H200 has hardly room for 64 long answers of a 70B model: most requests are preempted, and begin again long after their first token."""
    (tight,) = (
        row
        for row in all_rows
        if isinstance(row, GpuRow)
        and row.group == "llama-3.1-70b fp8 vllm agg"
        and (row.chip, row.decode.chips, row.prompt, row.output, row.clients) == ("H200-SXM", 1, 1024, 8192, 64)
    )
    simulated = gpu_row(tight)
    assert simulated.preemptions > 100
    assert simulated.ttft_s is not None
    assert simulated.ttft_s < 10


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def test_a_users_rows_and_why_some_are_skipped(tmp_path: Path) -> None:
    lines = [
        GOOD,
        GOOD.replace("meta-llama/Llama-3.1-70B", "acme/Unheard-7B"),
        GOOD.replace("h200_sxm", "h900"),
        GOOD.replace(",vllm,", ",acme,"),
        GOOD.replace(",fp8,", ",fp3,"),
        GOOD.replace(",1024,128,", ",many,128,"),
        GOOD.replace(",128,4,", ",128,,"),
        GOOD.replace(",4,8,", ",4,-8,"),
        GOOD.replace("h200_sxm", "l40s").replace(",4,8,", ",4,1,"),
        GOOD.replace(",70,8", ",,"),
        GOOD.replace("meta-llama/Llama-3.1-70B", " "),
        GOOD.replace(",128,4,", ",128,2.5,"),
        GOOD.replace(",1024,128,", ",1e400,128,"),
        GOOD.replace(",agg,", ",disagg,"),
        "meta-llama/Llama-3.1-70B,h200_sxm\n",
    ]
    made = calibrate(read(written(tmp_path / "mine.csv", SILICON + "".join(lines))))
    assert [row["row"] for row in made["rows"]] == [1]
    reasons = {row["row"]: row["reason"] for row in made["skipped"]}
    for number, words in {
        2: "unknown model 'acme/Unheard-7B'",
        3: "unknown chip 'h900'",
        4: "unknown engine 'acme'",
        5: "unknown precision 'fp3'",
        6: "isl is 'many'",
        7: "concurrency is 0",
        8: "tp_size is '-8'",
        9: "leave no room for KV",
        10: "neither TTFT nor TPOT",
        11: "model_path is missing",
        12: "concurrency is 2.5",
        13: "isl is '1e400'",
        14: "prefill_tp_size is missing",
        15: "unknown engine ''",
    }.items():
        assert words in reasons[number]


def test_a_byte_order_mark_and_other_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (SILICON + GOOD).replace("\n", "\r\n").encode())
    assert read(path)[0] == read(written(tmp_path / "excel.csv", SILICON + GOOD))[0]


def test_lengths_and_kv_are_those_of_the_benchmark(tmp_path: Path) -> None:
    scenario = GOOD.replace(",1024,128,", ",1024,1024,")
    lines = [GOOD, scenario, GOOD.replace("meta-llama/Llama-3.1-70B", "nvidia/Llama-3.1-8B-Instruct-FP8")]
    rows = read(written(tmp_path / "mine.csv", SILICON + "".join(lines)))
    said = [(row.range_ratio, row.kv_value_bytes) for row in rows if isinstance(row, GpuRow)]
    assert said == [(0.97, 2), (0.8, 1), (0.97, 1)]
    lines = [
        line.replace("\n", f",{ratio}\n") for line, ratio in ((SILICON, "random_range_ratio"), (GOOD, 0.5), (GOOD, 3))
    ]
    good, bad = read(written(tmp_path / "mine.csv", "".join(lines)))
    assert isinstance(good, GpuRow)
    assert good.range_ratio == 0.5
    assert isinstance(bad, Skipped)
    assert "random_range_ratio is 3" in bad.reason


def test_disaggregated_rows_hand_on_and_decode_undisturbed(tmp_path: Path) -> None:
    agg = "Qwen/Qwen3-32B,h100_sxm,fp8,agg,vllm,4000,500,32,4,,,,,,1,1\n"
    disagg = "Qwen/Qwen3-32B,h100_sxm,fp8,disagg,vllm,4000,500,32,,4,1,,1,4,1,1\n"
    made = calibrate(read(written(tmp_path / "mine.csv", SILICON + agg + disagg)))
    together, apart = made["rows"]
    assert apart["simulated_tpot_s"] < 0.9 * together["simulated_tpot_s"]
    assert apart["simulated_ttft_s"] > 0.1
    assert apart["decode_engines"] == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "names none"),
        ("a,b\n1,2\n", "names none"),
        ("\x00\xff", "names none"),
        (SILICON.replace(",osl", "").replace(",tp_size", ""), "lacks the columns osl, tp_size"),
        ("model,hardware,context,tokens_per_s\n", "lacks the columns chips"),
        (SILICON + '"' + "x" * 200_000, "field"),
    ],
)
def test_a_file_of_another_layout_is_an_error(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(RowsError, match=words):
        read(written(tmp_path / "other.csv", content))


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00model")
    for path in (tmp_path / "bytes.csv", tmp_path / "absent.csv", tmp_path):
        with pytest.raises(RowsError, match=path.name):
            read(path)


def row(number: int, tpot_s: float, chip: str = "H100-SXM") -> LpuRow:
    return LpuRow("f.csv", number, "g", "llama-2-7b", chip, 1, 4096, 1 / tpot_s, True)


def test_errors_and_means_are_what_they_say() -> None:
    results = [
        Result(row(1, 0.010), Simulated(None, 0.011)),
        Result(row(2, 0.010), Simulated(None, 0.008)),
        Result(row(3, 0.010, "B200-SXM"), Simulated(None, 0.010)),
    ]
    made = report(results, [Skipped("f.csv", 4, "because")])
    groups = {(group["group"], group["chip"]): group for group in made["groups"]}
    assert groups["g", "all"]["tpot_mape"] == pytest.approx(0.1)
    assert groups["g", "all"]["tpot_bias"] == pytest.approx(-1 / 30)
    assert groups["g", "H100-SXM"]["tpot_bias"] == pytest.approx(-0.05)
    assert groups["g", "all"]["ttft_mape"] is None
    (gate,) = made["gates"]
    assert gate["value"] == pytest.approx(0.2)
    assert not gate["passed"]
    assert failed(made)
    said = text(made)
    assert "FAILS" in said
    assert "because" in said


def test_the_command_prints_and_its_exit_code_is_the_gates(tmp_path: Path) -> None:
    path = written(tmp_path / "mine.csv", SILICON + GOOD)
    passed = CliRunner().invoke(cli, ["calibrate", "--json", "--rows", str(path)])
    assert passed.exit_code in (0, 1)
    made = json.loads(passed.stdout)
    assert made["schema"] == "tokenyard.calibration/1"
    assert passed.exit_code == int(failed(made))
    wrong = written(tmp_path / "wrong.csv", SILICON + GOOD.replace(",70,8", ",70,800"))
    assert CliRunner().invoke(cli, ["calibrate", "--rows", str(wrong)]).exit_code == 1
    bad = CliRunner().invoke(cli, ["calibrate", "--rows", str(written(tmp_path / "bad.csv", "x\n"))])
    assert bad.exit_code == 1
    assert "names none" in bad.output


def test_a_chip_and_a_model_are_one_table_each(tmp_path: Path) -> None:
    tables = written(
        tmp_path / "mine.toml",
        """
[model.tiny-moe]
source = "mine"
date = "2026-01"
parameters = 4_000_000_000
active_parameters = 1_000_000_000
experts = 16
experts_per_token = 2
moe_layers = 24
layers = 24
hidden = 2048
heads = 16
kv_heads = 4
head_dim = 128
vocabulary = 32000

[chip.MyChip]
device = "GPU"
tier = "HBM"
names = ["mine_sxm"]
peak.memory_bytes = { value = 96e9, source = "my data sheet", date = "2026-01" }
peak.memory_bytes_per_s = { value = 4e12, source = "my data sheet", date = "2026-01" }
peak.flops_bf16 = { value = 1e15, source = "my data sheet", date = "2026-01" }
peak.scale_up_bytes_per_s = { value = 4e11, source = "my data sheet", date = "2026-01" }
effective.memory_efficiency = { value = 0.8, source = "my measurement", date = "2026-01" }
effective.mfu = { value = 0.5, source = "my measurement", date = "2026-01" }
""",
    )
    lines = SILICON + GOOD.replace("meta-llama/Llama-3.1-70B,h200_sxm", "Tiny-MoE,MINE_SXM")
    path = written(tmp_path / "mine.csv", lines)
    try:
        ran = CliRunner().invoke(cli, ["calibrate", "--json", "--rows", str(path), "--catalogue", str(tables)])
        (made,) = json.loads(ran.stdout)["rows"]
        assert (made["model"], made["chip"]) == ("tiny-moe", "MyChip")
        assert made["simulated_tpot_s"] > 0
        again = CliRunner().invoke(cli, ["calibrate", "--rows", str(path), "--catalogue", str(tables)])
        assert "in the catalogue already" in again.output
    finally:
        catalogue.models().pop("tiny-moe", None)
        catalogue.chips().pop("MyChip", None)
