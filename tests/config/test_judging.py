"""Profiles and prices of the operator's own: over the built-in ones, and what is said of wrong ones."""

from pathlib import Path

import pytest

from collectors.diagnose.objectives import PROFILES, Limit, Profile
from collectors.diagnose.prices import OFFERS, Price, assumption
from collectors.model.slo import Assumption
from collectors.model.vocabulary import Device
from tui.config.judging import Judged, judged
from tui.config.load import ConfigError, load
from tui.config.resolve import resolve

TEXT = """
slo = "voice"
[profiles.voice]
ttft_s = 0.3
request_s = 4
share = 0.95
request_share = 0.9
source = "contract"
[profiles.agent]
tpot_s = 0.1
[prices.H100-SXM]
dollars_per_hour = 2.1
source = "invoice\\u202e"
date = "2026-11"
[prices.GPU]
dollars_per_hour = 1
watts = 400
"""


def found(tmp_path: Path, text: str, slo: str = "") -> Judged:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return judged(load({"slo": slo} if slo else {}, file, {}))


def test_profiles_of_the_operator_come_first_and_hold(tmp_path: Path) -> None:
    one = found(tmp_path, TEXT)
    voice = Profile("voice", Limit(0.3, 0.95), None, Limit(4, 0.9), "config: contract")
    assert one.judging.profile == voice
    assert one.profiles["agent"] == Profile("agent", None, Limit(0.1, 0.99), None, "config")
    assert [*one.profiles] == ["voice", "agent", *(name for name in PROFILES if name != "agent")]
    assert found(tmp_path, TEXT, "rag").judging.profile is PROFILES["rag"]


def test_without_any_there_are_those_that_are_built_in(tmp_path: Path) -> None:
    assert found(tmp_path, "") == Judged()
    assert resolve(load({}, tmp_path / "c.toml", {})).judged.judging.profile is PROFILES["chat"]


def test_the_closest_price_holds_and_it_is_said_whose_it_is(tmp_path: Path) -> None:
    prices = found(tmp_path, TEXT).judging.prices
    assert prices["H100-SXM"] == Price(2.1, "invoice", "2026-11")
    per_hour = [
        assumption(prices, chip, device, "dollars_per_hour")
        for chip, device in (
            ("H100-SXM", Device.GPU),
            ("B200-SXM", Device.GPU),
            ("B200-SXM", Device.UNKNOWN),
            ("x", Device.LPU),
        )
    ]
    offer = OFFERS["B200-SXM"]
    assert per_hour == [
        Assumption(2.1, "config", "invoice", "2026-11"),
        Assumption(1.0, "config", "", ""),
        Assumption(5.27, "public offer", offer.source, offer.date),
        None,
    ]
    # Of the chip itself nothing is said of its power, of its kind it is.
    assert assumption(prices, "H100-SXM", Device.GPU, "watts") == Assumption(400.0, "config", "", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[profiles.v]", "profiles.v: no objective; write ttft_s, tpot_s, request_s, or some of them"),
        ("[profiles.v]\nttft_s = 1\ntpot_share = 0.5", "profiles.v.tpot_share: a share of what? write tpot_s"),
        ('[profiles."a b"]\nttft_s = 1', "profiles: 'a b' is no name"),
        ('[prices.""]\nwatts = 1', "prices: '' is no name"),
        ("[prices.LPU]\ndate = '2026'", "prices.LPU: nothing is said; write dollars_per_hour, watts, or both"),
        ("slo = 'v'", "slo: no profile 'v'; there are chat, rag"),
    ],
)
def test_what_is_wrong_says_where(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        found(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'c.toml'}: {said}")
