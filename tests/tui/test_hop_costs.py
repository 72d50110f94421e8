"""What 1,000 tokens of context take, as a line of the flows: in time and energy, and less of it where there is less room."""

import pytest

from collectors.diagnose.hops import Cost
from collectors.model.figure import Figure
from collectors.model.vocabulary import Phase, Provenance, State, Tier
from tests.tui.frames import unknown
from tui.widgets.flows import cost_line


def about(value: float, provenance: Provenance) -> Figure:
    return Figure(value, State.OK, provenance, True, 0, estimate=True)


def taken(value: float) -> Figure:
    return Figure(value, State.OK, Provenance.DERIVED, True, 0)


COSTS = (
    Cost(Phase.PREFILL, None, taken(4.1e-5), about(0.0228, Provenance.DERIVED)),
    Cost(Phase.FETCH, Tier.FLASH, taken(5.81e-5), about(0.235e-3, Provenance.ASSUMED)),
    Cost(Phase.FETCH, Tier.DRAM, taken(1.2e-6), unknown()),
    Cost(Phase.TRANSFER, Tier.SRAM, taken(4.45e-6), unknown()),
)


@pytest.mark.parametrize(
    ("width", "wanted"),
    [
        (
            120,
            "computed 41.0 ms ≈22.8 J drawn · flash 58.1 ms ≈0.23 J · DRAM 1.20 ms · to SRAM 4.45 ms",
        ),
        (90, "computed 41.0 ms · flash 58.1 ms · DRAM 1.20 ms · to SRAM 4.45 ms"),
        (70, "computed 41.0 ms · flash 58.1 ms · DRAM 1.20 ms …"),
        (50, "computed 41.0 ms · flash 58.1 ms …"),
        (28, "computed 41.0 ms …"),
        (20, "…"),
    ],
)
def test_ways_are_left_out_whole_and_visibly(width: int, wanted: str) -> None:
    assert "".join(text for text, _ in cost_line(COSTS, width, 0)).rstrip() == f"1k tokens {wanted}"
