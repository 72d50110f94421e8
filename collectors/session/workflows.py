"""The requests of an agent run as a tree, by their times: nobody says which request follows from which. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from collectors.model.detail import RequestLine, State, Workflow, WorkflowStep


def workflow(name: str, lines: Sequence[RequestLine]) -> Workflow:
    """A request is taken to follow the last one that had ended before it began; the critical path is the chain of these that leads to the last end."""
    began = sorted((line for line in lines if line.at is not None), key=lambda line: (line.at, line.key))
    ends = {line.key: end for line in began if (end := _end(line)) is not None}
    after: dict[int, int | None] = {}
    for index, line in enumerate(began):
        assert line.at is not None
        before = [one for one in began[:index] if one.key in ends and ends[one.key] <= line.at]
        after[line.key] = max(before, key=lambda one: (ends[one.key], one.key)).key if before else None
    live = [line for line in began if line.key not in ends]
    last = max(live or began, key=lambda line: (ends.get(line.key, line.at or 0.0), line.key), default=None)
    critical: list[int] = []
    at = None if last is None else last.key
    while at is not None:
        critical.append(at)
        at = after[at]
    by_key = {line.key: line for line in began}
    steps = tuple(_tree(began, after, ends, frozenset(critical)))
    begin_s = min((line.at for line in began if line.at is not None), default=0.0)
    end_s = max((_known_end(line) for line in began), default=begin_s)
    return Workflow(
        id=name,
        steps=steps,
        span_s=end_s - begin_s,
        critical_s=sum(_known_end(by_key[key]) - (by_key[key].at or 0.0) for key in critical),
        live=bool(live),
    )


def _tree(
    began: Sequence[RequestLine], after: Mapping[int, int | None], ends: Mapping[int, float], critical: frozenset[int]
) -> Iterator[WorkflowStep]:
    """Each with all that follows it; deeper only where several follow upon one. A run may have thousands of steps: no recursion."""
    children: dict[int | None, list[RequestLine]] = {}
    for line in began:
        children.setdefault(after[line.key], []).append(line)
    waiting = [(line, 0) for line in reversed(children.get(None, ()))]
    while waiting:
        line, depth = waiting.pop()
        assert line.at is not None
        yield WorkflowStep(line, line.at, ends.get(line.key), after[line.key], depth, line.key in critical)
        following = children.get(line.key, [])
        waiting += [(one, depth + (len(following) > 1)) for one in reversed(following)]


def _end(line: RequestLine) -> float | None:
    if line.state not in (State.ENDED, State.LOST) or line.at is None:
        return None
    return line.at + (line.last_s or 0.0)


def _known_end(line: RequestLine) -> float:
    """Its end, or how far it is known to have come."""
    return (line.at or 0.0) + (line.last_s or 0.0)
