"""What a back end says in JSON, as the signals that a page of text would come to: the shape of `llamacpp_slots` and `trtllm_stats`."""

from typing import Annotated

import msgspec

from collectors.model.signals import Series, WorkerFacts

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""Above, neighbouring integers are the same float64."""


class JsonError(ValueError):
    """A body that is not what its path should answer; the message is short and safe to show."""


class JsonPage(msgspec.Struct, frozen=True):
    """Of one answer: a value for each of `series`."""

    workers: tuple[WorkerFacts, ...]
    series: tuple[Series, ...]
    values: tuple[float, ...]
