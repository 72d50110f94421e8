"""A GPU engine that only decodes: a round is one scheduler step, one token of every sequence."""

from dataclasses import dataclass

import numpy as np

from emulators.gpu import Noise, StepModel
from emulators.round_worker import Round
from emulators.stats import Ints


@dataclass(frozen=True, slots=True)
class Stepping:
    """A deployment of one device (`emulators.round_worker`)."""

    steps: StepModel
    noise: Noise

    def plan(self, contexts: Ints, left: Ints) -> Round:
        """One token of every sequence."""
        seconds = float(self.steps.run_seconds(contexts, 1)[0] * self.noise.peek(1)[0])
        self.noise.skip(1)
        time_ns = round(seconds * 1e9)
        return Round(time_ns, time_ns, np.ones_like(left), self.steps.run_reads(contexts, 1))
