"""llm-d's spans: the endpoint picker's, which know the client's id of the request, and those of the sidecar that has a prompt ingested elsewhere. Pure.

llm-d/llm-d-router@ebab687: pkg/epp/handlers/server.go (`gateway.request`), pkg/epp/framework/plugins/scheduling/profilehandler/disagg
(`llm_d.epp.pd.prefill_pod_address`), pkg/sidecar/proxy/connector_*.go (`prefill`, `decode`, `llm_d.pd_proxy.*`; the id there is the sidecar's own).
A sidecar's phases are those of its HTTP calls, the way to the engine included.
"""

from typing import Final

from collectors.model.traces import Account
from collectors.model.vocabulary import About, Phase
from collectors.traces.span_reading import account, link, text, whole, within
from collectors.wire.otlp import Span

PICKER: Final = "llm-d picker span"
SIDECAR: Final = "llm-d sidecar span"
_CALL: Final = "the sidecar's HTTP call, the way to the engine included"
_PHASES: Final = {"prefill": Phase.PREFILL, "decode": Phase.DECODE}


def read(span: Span, clock: str, engine: str) -> Account | None:
    given = (text(span, "gen_ai.request.id"),)
    if any(key.startswith("llm_d.pd_proxy.") for key in span.attributes):
        phase = _PHASES.get(span.name.rpartition(".")[2])
        prefill, decode = text(span, "llm_d.pd_proxy.prefill_target"), text(span, "llm_d.pd_proxy.decode.target")
        stretches = () if phase is None else (whole(span, _CALL, phase, prefill if phase is Phase.PREFILL else decode),)
        said = ((About.PREFILL_WORKER, prefill), (About.DECODE_WORKER, decode))
        names = (text(span, "llm_d.pd_proxy.request_id"),)
        return account(span, SIDECAR, clock, names=names, given=given, said=said, stretches=stretches)
    if span.name == "gateway.request":
        received = within(span.start_ns, span.start_ns)
        return account(span, PICKER, clock, given=given, stretches=(whole(span),), received=received)
    if any(key.startswith("llm_d.") for key in span.attributes):
        address, port = text(span, "llm_d.epp.pd.prefill_pod_address"), text(span, "llm_d.epp.pd.prefill_pod_port")
        target = f"{address}:{port}" if address and port else address
        return account(span, PICKER, clock, given=given, said=((About.PREFILL_WORKER, target),))
    return link(span, PICKER, clock) if span.name in ("gateway.request_orchestration", "forward_request") else None
