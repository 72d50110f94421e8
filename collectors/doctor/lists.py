"""The targets of lists (`file_sd`, `http_sd`, a `prometheus.yml`), asked for once."""

from collections.abc import Sequence

from collectors.doctor.report import Examined
from collectors.model.batch import Batch, Status
from collectors.targets.spec import Lister, TargetSpec


async def listed(listers: Sequence[Lister]) -> tuple[list[TargetSpec], list[Examined]]:
    """Those that there are, and a row for each list that is not read whole: what is wrong with it."""
    specs: list[TargetSpec] = []
    failed: list[Examined] = []
    for lister in listers:
        said: list[Batch] = []
        specs += await lister.look(0, said.append) or ()
        statuses = [part for batch in said for part in batch.parts if isinstance(part, Status)]
        failed += [
            Examined(name=lister.name, url=one.url, status=one.status, reason=why, backend=one.backend)
            for one in statuses
            if (why := one.reason or one.warning)
        ]
    return specs, failed
