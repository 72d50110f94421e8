"""What a device costs an hour, and what it draws where nobody measures that: by the operator's word (`[prices]` in the configuration), else by dated snapshots of public
offers. Pure. A chip that is in neither has no price, and no power is assumed of it."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from collectors.model.slo import Assumption
from collectors.model.vocabulary import Device

CONFIG: Final = "config"
OFFER: Final = "public offer"


class Price(NamedTuple):
    """Of one device: US dollars an hour, and the watts that it draws on average while it serves; None: not said."""

    dollars_per_hour: float | None
    source: str = ""
    date: str = ""
    watts: float | None = None


Prices = Mapping[str, Price]
"""By the chip's name as it is shown, or by the kind of device."""
NONE: Final[Prices] = {}
OFFERS: Final[Prices] = {
    "A100-SXM": Price(1.90, "middle of 0.80 to 3.00 (aimultiple.com/gpu-index)", "2026-05"),
    "H100-SXM": Price(2.95, "median of 37 providers (aimultiple.com/gpu-index)", "2026-05"),
    "H200-SXM": Price(4.54, "one specialised cloud, others 2.50 to 7.00 (aimultiple.com/gpu-index)", "2026-05"),
    "B200-SXM": Price(5.27, "middle of 4.50 to 6.03 (aimultiple.com/gpu-index)", "2026-05"),
    "GB200": Price(4.54, "half of a superchip of two at 9.08 (aimultiple.com/gpu-index)", "2026-05"),
}


def assumption(own: Prices, chip: str, device: Device, what: Literal["dollars_per_hour", "watts"]) -> Assumption | None:
    """What the operator says of the chip, else of its kind of device, else what an offer says of the chip."""
    for by, prices, name in ((CONFIG, own, chip), (CONFIG, own, str(device)), (OFFER, OFFERS, chip)):
        price = prices.get(name)
        value = None if price is None else getattr(price, what)
        if price is not None and value is not None:
            return Assumption(value, by, price.source, price.date)
    return None
