"""What the promql source is made of: the plan of questions, the server's clock, native histograms."""

from hypothesis import given
from hypothesis import strategies as st

from collectors.sources.promql_clock import SLACK_NS, ServerClock
from collectors.sources.promql_native import NativeBounds
from collectors.sources.promql_plan import MAX_ASKED, family_of, jobs, plan, ranged, up
from collectors.wire.prom_api import NativeHistogram

SECOND_NS = 1_000_000_000


def test_a_histogram_is_a_question_of_its_own_and_scalars_are_asked_together() -> None:
    found = plan(["b", "a", "h_bucket", "h_sum", "other"], lambda name: name != "other")
    assert found.scalars == ('{__name__=~"a|b|h_sum"}',)
    assert found.buckets == ('{__name__="h_bucket"}',)
    assert ranged(found.buckets[0], 15) == '{__name__="h_bucket"}[15s]'
    assert jobs(found.scalars[0]) == 'count by (job) ({__name__=~"a|b|h_sum"})'


def test_names_that_could_be_no_names_are_not_asked_for() -> None:
    assert plan(['a"} or {x="', "a.*", "", "é", "x" * 300], lambda name: True).names == frozenset()


def test_there_is_an_end_to_what_is_asked_for() -> None:
    found = plan((f"n{number}" for number in range(MAX_ASKED + 5)), lambda name: True)
    assert (len(found.names), found.left_out) == (MAX_ASKED, 5)


def test_jobs_are_quoted() -> None:
    assert up(["a.b", 'c"\\']) == 'up{job=~"a\\\\.b|c\\"\\\\\\\\"}'
    assert up([]) == up(["x" * 5_000]) == "up"


def test_what_the_names_tell_of_a_type() -> None:
    names = {"h_bucket", "h_sum", "h_count", "x_sum", "c_total", "g"}
    assert [family_of(name, names) for name in sorted(names)] == [
        ("c_total", "counter"),
        ("g", "untyped"),
        ("h", "histogram"),
        ("h", "histogram"),
        ("h", "histogram"),
        ("x_sum", "untyped"),
    ]


def test_the_quickest_answer_tells_the_servers_time() -> None:
    clock = ServerClock()
    clock.observe(0, 1_000.0, 400_000_000)
    assert clock.session_ns(1_000.0) == 200_000_000
    clock.observe(5 * SECOND_NS, 1_005.1, 5 * SECOND_NS + 10_000_000)
    assert clock.session_ns(1_005.1) == 5 * SECOND_NS + 5_000_000
    clock.observe(9 * SECOND_NS, 1_009.2, 9 * SECOND_NS + 300_000_000)  # no contradiction: it may have said so at once
    assert clock.session_ns(1_005.1) == 5 * SECOND_NS + 5_000_000


def test_a_clock_that_was_set_is_followed() -> None:
    clock = ServerClock()
    clock.observe(0, 1_000.0, 0)
    clock.observe(SECOND_NS, 4_601.0, SECOND_NS)
    assert clock.session_ns(4_601.0) == SECOND_NS


@given(st.integers(0, 10**6), st.integers(0, SLACK_NS // 2))
def test_a_clock_that_trembles_shifts_nothing(server_s: int, apart_ns: int) -> None:
    clock = ServerClock()
    clock.observe(0, float(server_s), 0)
    clock.observe(SECOND_NS + apart_ns, float(server_s + 1), SECOND_NS + apart_ns)
    assert clock.session_ns(float(server_s)) == 0


def native(*buckets: tuple[float, float, float]) -> NativeHistogram:
    return NativeHistogram(sum(count for *_, count in buckets), 1.0, buckets)


def test_bounds_once_seen_stay() -> None:
    bounds = NativeBounds()
    bounds.classic(native((0.5, 1.0, 2.0), (1.0, 2.0, 1.0)))
    assert bounds.classic(native((0.25, 0.5, 3.0), (1.0, 2.0, 1.0)))[:5] == [
        ("_bucket", "0.25", 0.0),
        ("_bucket", "0.5", 3.0),
        ("_bucket", "1.0", 3.0),
        ("_bucket", "2.0", 4.0),
        ("_bucket", "+Inf", 4.0),
    ]


def test_another_resolution_begins_anew() -> None:
    bounds = NativeBounds()
    bounds.classic(native((0.5, 0.7, 2.0), (0.7, 1.0, 1.0)))
    assert [le for _, le, _ in bounds.classic(native((0.5, 1.0, 3.0)))] == ["0.5", "1.0", "+Inf", "", ""]
