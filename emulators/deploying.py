"""The making of engines of two devices out of what a scenario says of them and the catalogue."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from emulators import catalogue
from emulators.afd import Afd, ffn_parameters
from emulators.blocks import BLOCK_TOKENS
from emulators.catalogue import Model
from emulators.deployment_specs import AssistantSpec, AttentionSpec, DraftSpec, FfnSpec, RoundSpec, VerifySpec
from emulators.gpu import StepModel, StepNoise, pool_bytes
from emulators.journal import Journal
from emulators.kv import Pool
from emulators.loop import Loop
from emulators.lpu import context_bucket, pass_reads, token_gap_ns
from emulators.observed import Observed
from emulators.randomness import generator
from emulators.request import Request
from emulators.round_worker import Assistant, RoundWorker
from emulators.speculation import Speculation

S = TypeVar("S", AttentionSpec, DraftSpec)


@dataclass(frozen=True, slots=True)
class Ground:
    """What all engines of a cluster have in common. `model` is the scenario's."""

    seed: int
    loop: Loop
    journal: Journal
    model: Model
    bytes_per_kv_value: int
    keep_gaps: bool
    finished: Callable[[Request], None]

    def pool(self, slot: int, tier: str, owner: str, model: Model, size: int) -> Pool:
        """A worker's own, for KV of a model."""
        block_bytes = BLOCK_TOKENS * model.kv_bytes_per_token(self.bytes_per_kv_value)
        return Pool(slot, tier, owner, slot, size // block_bytes, block_bytes, self.journal)

    def observed(self, *, fast_gaps: bool) -> Observed:
        return Observed(fast_gaps=fast_gaps, keep=self.keep_gaps)


def weight_bytes(spec: AssistantSpec | RoundSpec, model: Model) -> int:
    """Of the scenario's `model`, or of the draft's own, what lies on this worker."""
    if isinstance(spec, AttentionSpec):
        parameters = model.parameters - ffn_parameters(model)
    elif isinstance(spec, FfnSpec):
        parameters = ffn_parameters(model)
    else:
        parameters = _own(spec, model).parameters
    return math.ceil(parameters * spec.bytes_per_weight)


def assistant(ground: Ground, slot: int, spec: AssistantSpec) -> Assistant:
    """The device that samples nothing. ValueError if what it is to hold does not fit."""
    weights = weight_bytes(spec, ground.model)
    if isinstance(spec, AttentionSpec):
        chip = catalogue.gpu(spec.chip)
        software = catalogue.find(catalogue.engines(), spec.engine, "engine")
        size = spec.kv_pool_bytes or pool_bytes(chip, spec.chips, weights, software)
        return Assistant(
            slot, ground.pool(slot, chip.tier, spec.id, ground.model, size), ground.observed(fast_gaps=False)
        )
    size = _sram_left(spec, weights)
    own = ground.pool(slot, catalogue.lpu(spec.chip).tier, spec.id, _own(spec, ground.model), size)
    return Assistant(slot, own, ground.observed(fast_gaps=True))


def rounds(
    ground: Ground, slot: int, spec: RoundSpec, before: Mapping[str, tuple[AssistantSpec, Assistant]]
) -> RoundWorker:
    """The device that samples; `before`: by id, the assistants that stand before it. ValueError if what it is to hold does not fit, or its assistant is not there."""
    if isinstance(spec, FfnSpec):
        return _ffn(ground, slot, spec, *_partner(spec.id, spec.attention, AttentionSpec, before))
    return _verify(ground, slot, spec, *_partner(spec.id, spec.draft, DraftSpec, before))


def _partner(
    name: str, other: str, kind: type[S], before: Mapping[str, tuple[AssistantSpec, Assistant]]
) -> tuple[S, Assistant]:
    spec, engine = before.get(other, (None, None))
    if not isinstance(spec, kind) or engine is None:
        raise ValueError(f"worker {name!r}: no worker {other!r} of its kind stands before it")
    if engine.taken:
        raise ValueError(f"worker {name!r}: {other!r} works with another")
    engine.taken = True
    return spec, engine


def _ffn(ground: Ground, slot: int, spec: FfnSpec, attention: AttentionSpec, engine: Assistant) -> RoundWorker:
    chip = catalogue.lpu(spec.chip)
    _sram_left(spec, weight_bytes(spec, ground.model))
    software = catalogue.find(catalogue.engines(), attention.engine, "engine")
    steps = _steps(ground, attention)
    deployment = Afd(
        chip,
        spec.chips,
        ground.model,
        steps,
        software,
        StepNoise(generator(ground.seed, "noise", attention.id), software),
        catalogue.find(catalogue.links(), spec.link, "link"),
        spec.micro_batches,
        attention.bytes_per_weight,
        spec.bytes_per_weight,
    )
    return RoundWorker(
        slot,
        loop=ground.loop,
        journal=ground.journal,
        deployment=deployment,
        stage="ffn",
        beside="attention",
        assistant=engine,
        places=spec.slots,
        pool=ground.pool(slot, chip.tier, spec.id, ground.model, 0),
        kv=engine.pool,
        observed=ground.observed(fast_gaps=True),
        on_finished=ground.finished,
    )


def _verify(ground: Ground, slot: int, spec: VerifySpec, draft: DraftSpec, engine: Assistant) -> RoundWorker:
    chip, drafting = catalogue.gpu(spec.chip), catalogue.lpu(draft.chip)
    software = catalogue.find(catalogue.engines(), spec.engine, "engine")
    small = _own(draft, ground.model)
    steps = _steps(ground, spec)
    size = spec.kv_pool_bytes or pool_bytes(chip, spec.chips, steps.weight_bytes, software)

    @cache
    def program_gap_ns(context: int) -> int:
        return token_gap_ns(drafting, draft.chips, small, context, ground.bytes_per_kv_value)

    deployment = Speculation(
        steps,
        StepNoise(generator(ground.seed, "noise", spec.id), software),
        catalogue.find(catalogue.links(), spec.link, "link"),
        lambda tokens: program_gap_ns(context_bucket(tokens, draft.context_tokens)),
        pass_reads(small, draft.bytes_per_weight, ground.bytes_per_kv_value),
        spec.draft_tokens,
        spec.acceptance.value,
        generator(ground.seed, "acceptance", spec.id),
    )
    pool = ground.pool(slot, chip.tier, spec.id, ground.model, size)
    return RoundWorker(
        slot,
        loop=ground.loop,
        journal=ground.journal,
        deployment=deployment,
        stage="verify",
        beside="draft",
        assistant=engine,
        places=spec.slots,
        pool=pool,
        kv=pool,
        draft_kv=engine.pool,
        turns=True,
        counts=deployment.counts,
        observed=ground.observed(fast_gaps=False),
        on_finished=ground.finished,
    )


def _steps(ground: Ground, spec: AttentionSpec | VerifySpec) -> StepModel:
    return StepModel.of(
        catalogue.gpu(spec.chip),
        spec.chips,
        ground.model,
        catalogue.find(catalogue.engines(), spec.engine, "engine"),
        bytes_per_weight=spec.bytes_per_weight,
        bytes_per_kv_value=ground.bytes_per_kv_value,
    )


def _own(spec: AssistantSpec | RoundSpec, model: Model) -> Model:
    return catalogue.find(catalogue.models(), spec.model, "model") if isinstance(spec, DraftSpec) else model


def _sram_left(spec: FfnSpec | DraftSpec, weights: int) -> int:
    left = math.floor(spec.chips * catalogue.lpu(spec.chip).peak.memory_bytes.value) - weights
    if left <= 0:
        raise ValueError(
            f"worker {spec.id!r}: {weights} bytes of weights do not fit into the SRAM of {spec.chips} chips"
        )
    return left
