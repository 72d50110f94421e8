"""`check` as a script runs it: the exit code is the answer."""

import json
from pathlib import Path

import pytest

from tests.e2e.commands import tokenyard
from tests.e2e.test_snapshot import serving


def page(quick: int, slow: int) -> bytes:
    """A vLLM worker: so many requests of which first token and tokens came quickly, and so many that took long."""
    lines = []
    for name, edges in (
        ("time_to_first_token_seconds", (0.2, 1.0)),
        ("request_time_per_output_token_seconds", (0.05, 1.0)),
    ):
        lines.append(f"# TYPE vllm:{name} histogram")
        for le, count in zip((*map(str, edges), "+Inf"), (quick, quick + slow, quick + slow), strict=True):
            lines.append(f'vllm:{name}_bucket{{engine="0",le="{le}",model_name="m"}} {count}')
        lines.append(f'vllm:{name}_count{{engine="0",model_name="m"}} {quick + slow}')
        lines.append(f'vllm:{name}_sum{{engine="0",model_name="m"}} {quick + slow}')
    lines += ["# TYPE vllm:num_requests_running gauge", 'vllm:num_requests_running{engine="0",model_name="m"} 1']
    return "\n".join([*lines, ""]).encode()


@pytest.mark.parametrize(
    ("quick", "slow", "state", "code"),
    [(2_000, 0, "met", 0), (900, 100, "violated", 1), (30, 0, "indeterminate", 3)],
)
def test_the_exit_code_is_the_answer(quick: int, slow: int, state: str, code: int) -> None:
    with serving([page(0, 0), page(0, 0), page(quick, slow)]) as target:
        done = tokenyard("check", target, "--for", "1500ms", "--interval", "100ms", "--slo", "chat", "--json")
    assert done.returncode == code, done.stderr
    told = json.loads(done.stdout)
    assert (told["profile"], told["state"]) == ("chat", state)
    assert told["rows"][0]["ttft"]["n"] == quick + slow


def test_in_words() -> None:
    with serving([page(0, 0), page(0, 0), page(900, 100)]) as target:
        done = tokenyard("check", target, "--for", "1500ms", "--interval", "100ms")
    first, ttft, *_ = done.stdout.splitlines()
    assert first.startswith("violated · profile chat (GuideLLM docs) · window ")
    assert ttft == "TTFT ≤ 200 ms for 99 %: 900 of 1000 requests, 90.0 %; 88.0–91.7 % with 95 % confidence: violated"


def test_a_profile_of_the_operators_own(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('slo = "calm"\n[profiles.calm]\nttft_s = 1\nshare = 0.8\nsource = "us"\n')
    with serving([page(0, 0), page(0, 0), page(900, 100)]) as target:
        done = tokenyard("check", target, "--for", "1500ms", "--interval", "100ms", "--config", str(file))
    first, ttft, *_ = done.stdout.splitlines()
    assert (done.returncode, ttft[:42]) == (0, "TTFT ≤ 1 s for 80 %: 1000 of 1000 requests")
    assert first.startswith("met · profile calm (config: us) · window ")


def test_nobody_answers_and_nobody_knows_such_a_profile() -> None:
    done = tokenyard("check", "127.0.0.1:9", "--for", "300ms")
    assert done.returncode == 2
    done = tokenyard("check", "127.0.0.1:9", "--slo", "nice")
    assert done.returncode == 64
    assert "no profile 'nice'; there are chat, rag" in done.stderr
