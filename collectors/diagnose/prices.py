"""What a chip costs an hour, in US dollars: dated snapshots of public offers, to be overridden by what one really pays (`prices` in the configuration). A chip that is not
here, nor there, has no price."""

from typing import Final, NamedTuple


class Price(NamedTuple):
    per_hour: float
    source: str
    date: str


OFFERS: Final = {
    "A100-SXM": Price(1.90, "middle of 0.80 to 3.00 (aimultiple.com/gpu-index)", "2026-05"),
    "H100-SXM": Price(2.95, "median of 37 providers (aimultiple.com/gpu-index)", "2026-05"),
    "H200-SXM": Price(4.54, "one specialised cloud, others 2.50 to 7.00 (aimultiple.com/gpu-index)", "2026-05"),
    "B200-SXM": Price(5.27, "middle of 4.50 to 6.03 (aimultiple.com/gpu-index)", "2026-05"),
    "GB200": Price(4.54, "half of a superchip of two at 9.08 (aimultiple.com/gpu-index)", "2026-05"),
}
"""By the chip's name as it is shown."""
