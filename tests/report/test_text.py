import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from sockharness.errors import os_error
from sockharness.location import Location
from sockharness.match.exact import Exact
from sockharness.report.text import LIMIT, failure_text, ladder_lines
from sockharness.story.expectations import BytesExpected, EventExpected, Mismatch, State
from sockharness.story.outcome import Failure, Outcome, Verdict, Wait
from tests.gallery.plugin import Gallery
from tests.report.story import Story, ping

SPEC = r"""# a comment
sockspec: 1
name: ping
peers:
  server: {tcp: {listen: loopback}}
  client: {tcp: {connect: server}}
exchange:
  - client -> server: "PING\r\n"
  - server -> client: "+PONG\r\n"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Location:
    (tmp_path / "ping.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return Location("ping.yaml", 9, 5, 16)


def failure(story: Story, place: Location | None = None, wait: Wait | None = None) -> Failure:
    progress = BytesExpected(story.end("client"), Exact(b"+PONG\r\n")).check()
    assert progress.mismatch is not None
    return Failure(mismatch=progress.mismatch, location=place, wait=wait)


def outcome(story: Story, *failures: Failure, verdict: Verdict = Verdict.FAILED) -> Outcome:
    return Outcome(verdict=verdict, timeline=story.timeline, failures=failures)


def simple(headline: str, **kinds: str | tuple[str, ...]) -> Failure:
    return Failure(mismatch=replace(Mismatch(headline=headline), **kinds))  # type: ignore[arg-type]


def test_a_failure_tells_place_bytes_story_wait_and_how_to_run_it_again(
    place: Location, gallery: Gallery
) -> None:
    story = ping()
    wait = Wait(peer="client", lasted=5.0, limit=5.0)

    text = failure_text(
        outcome(story, failure(story, place, wait)), again='pytest "specs/ping.yaml::ping"'
    )

    gallery.check(text, exact=True)


def test_another_engine_stands_in_the_head_and_the_footer_says_what_if_it_is_meant() -> None:
    story = ping()
    ends = outcome(story, simple("server saw no end"))

    text = failure_text(replace(ends, engines={"server": "bun"}, hint="say so"), again="pytest x")

    assert "            client                server (bun)\n" in text
    assert "\n  meant?   say so\n  again:   pytest x" in text


def test_a_connection_that_was_seen_from_one_end_has_two_columns_all_the_same(
    gallery: Gallery,
) -> None:
    story = Story()
    story.saw("server", "open")
    story.later()
    story.saw("server", "data", b"PING\r\n")
    story.did("server", "write", b"-ERR\r\n", result=6)
    story.later(0.25)
    story.saw("server", "close", error=os_error(104))

    text = failure_text(outcome(story, simple("server saw no end")), unseen="client")

    gallery.check(text, exact=True)


def test_of_three_peers_each_connection_has_its_columns(gallery: Gallery) -> None:
    story = Story()
    story.joined("anna", "server")
    story.joined("bert", "server@2")
    story.saw("server", "open")
    story.saw("server@2", "open")
    story.said("anna", "server", b"hello")
    story.said("server@2", "bert", b"a longer greeting, which is cut\r\n")
    story.did("bert", "pause")
    story.end("bert").queued = 7

    wait = Wait(peer="bert", lasted=0.5, limit=0.5, origin="within", scale=0.5)
    failed = Failure(mismatch=Mismatch(headline="bert is late"), wait=wait)
    text = failure_text(outcome(story, failed))

    gallery.check(text, exact=True)


def test_of_more_connections_than_fit_on_a_screen_it_is_told_line_by_line(gallery: Gallery) -> None:
    story = Story()
    for number in (1, 2, 3):
        client, server = f"client-{number}", f"server@{number}"
        story.joined(client, server)
        story.saw(server, "open")
        story.said(client, server, b"PING")
    story.saw("client-3", "timeout")

    gallery.check("\n".join(ladder_lines(story.timeline, "", {"client-1": "bun"})), exact=True)


def test_an_arrow_may_cross_a_column() -> None:
    story = Story()
    story.joined("a", "hub")
    story.joined("b", "hub@2")
    story.saw("a", "timeout")
    story.saw("b", "timeout")
    story.saw("hub@2", "timeout")
    story.saw("hub", "timeout")
    story.said("a", "hub", b"x")
    story.said("hub", "a", b"yz")

    text = failure_text(outcome(story, simple("x")))

    assert text.splitlines()[-2:] == [
        f"    0.000   1 B     {'-' * 56}> x",
        f"    0.000   yz      <{'-' * 56} 2 B",
    ]


def test_of_a_long_story_the_end_is_told() -> None:
    story = Story()
    story.joined("client", "server")
    for number in range(100):
        story.said("client", "server", b"%d" % number)

    lines = failure_text(outcome(story, simple("late"))).splitlines()

    assert lines[3] == "    … 84 earlier events"
    assert lines[4].endswith("> 84")
    assert lines[-1].endswith("> 99")
    assert len(lines) == 2 + 1 + 1 + 16


def test_a_text_of_more_than_40_lines_is_cut_but_says_how_to_run_it_again(place: Location) -> None:
    story = ping()
    for number in range(30):
        story.said("client", "server", b"%d" % number)
    failed = failure(story, place, Wait(peer="client", lasted=1, limit=5))
    details = tuple(f"detail {number}" for number in range(20))
    failed = replace(failed, mismatch=replace(failed.mismatch, details=details))

    lines = failure_text(outcome(story, failed), again="pytest x").splitlines()

    assert len(lines) == LIMIT
    assert lines[0] == "line 9: client got 5 of 7 bytes, then close"
    assert "  detail 19" in lines
    assert lines[-5:-3] == ["  … 15 more lines", ""]
    assert [line.split(":")[0] for line in lines[-3:]] == ["  waiting", "  unread", "  again"]


def test_a_text_of_more_than_40_lines_without_a_footer_is_cut() -> None:
    story = Story()

    lines = failure_text(
        outcome(story, simple("many", details=tuple("abcdefghij" * 5)))
    ).splitlines()

    assert len(lines) == LIMIT
    assert lines[-1] == "  … 13 more lines"


def test_further_failures_are_named(gallery: Gallery) -> None:
    failures = [simple(f"failure {number}") for number in range(7)]

    text = failure_text(outcome(Story(), *failures))

    gallery.check(text, exact=True)


def test_details_stand_below_the_place() -> None:
    text = failure_text(outcome(Story(), simple("count", details=("the frames:", "  one"))))

    assert text == "count\n\n  the frames:\n    one"


def test_bytes_without_an_expectation_of_bytes_are_shown_on_a_line() -> None:
    story = Story()
    mismatch = Mismatch(headline="no match", received=b"abc\r\n")

    text = failure_text(outcome(story, Failure(mismatch=mismatch)))

    assert text == "no match\n\n  received  abc␍␊"


def test_an_exception_of_a_handler_is_told_with_where_it_was_raised() -> None:
    try:
        raise ValueError("no \x1b[2Jroom")
    except ValueError as error:
        failed = Failure(mismatch=Mismatch(headline="handler raised"), exception=error)

    text = failure_text(outcome(Story(), failed))

    assert "\n  Traceback (most recent call last):\n" in text
    assert f'    File "{__file__}", line ' in text
    assert text.endswith("  ValueError: no ␛[2Jroom")


def test_a_place_whose_file_is_gone_is_still_named() -> None:
    text = failure_text(
        outcome(Story(), replace(simple("late"), location=Location("gone.yaml", 3, 4)))
    )

    assert text == "line 3: late\n\n  gone.yaml:3:4"


def test_an_inconclusive_run_says_so_first() -> None:
    text = failure_text(outcome(Story(), simple("2 frames lost"), verdict=Verdict.INCONCLUSIVE))

    assert text == "inconclusive: 2 frames lost"


def test_an_outcome_without_failures_is_its_verdict() -> None:
    assert outcome(Story(), verdict=Verdict.PASSED).headline == "passed"


def test_of_very_many_connections_the_footer_names_a_few() -> None:
    story = Story()
    for number in range(1, 10):
        story.saw(f"server@{number}", "data", b"x")
    failed = replace(simple("late"), wait=Wait(peer="server", lasted=1, limit=1))

    footer = failure_text(outcome(story, failed)).splitlines()[-2:]

    assert footer[0].endswith(
        "queued: server 0 B, server@2 0 B, server@3 0 B, server@4 0 B and 5 more"
    )
    assert footer[1] == "  unread:  server 1 B, server 1 B, server 1 B, server 1 B and 5 more"


HOSTILE = (
    bytes(range(256)).decode("latin-1") + "\x1b]0;x\x07\u202e\u2066\u200b\u2028\ud800\U000e0041"
)


def test_nothing_hostile_commands_a_terminal(tmp_path: Path) -> None:
    raw = HOSTILE.encode("utf-8", "surrogatepass")
    path = tmp_path / "hostile.yaml"
    path.write_bytes(raw.replace(b"\n", b"").replace(b"\r", b"") + b"\n")
    story = Story()
    story.joined("client", "server")
    story.saw("client", "data", bytes(range(256)) + raw)
    story.saw("client", "error", error=ValueError(HOSTILE))
    story.did("client", "write", raw, result=3, note=HOSTILE)
    named = Story()
    named.saw("\x1b[2J\u202e", "data", b"x")
    mismatches = [
        Mismatch(
            headline=HOSTILE,
            note=HOSTILE,
            expected=raw,
            received=raw[::-1],
            details=(HOSTILE,),
            waiting_for=HOSTILE,
        ),
        Mismatch(headline=HOSTILE, received=raw),
    ]

    texts = [
        failure_text(
            outcome(
                of,
                Failure(
                    mismatch=mismatch,
                    location=Location(str(path), 1, 3, 40),
                    wait=Wait(peer=HOSTILE, lasted=1, limit=1, origin=HOSTILE),
                    exception=ValueError(HOSTILE),
                ),
                simple(HOSTILE),
            ),
            again=HOSTILE,
            unseen="\x1b",
        )
        for of in (story, named)
        for mismatch in mismatches
    ]

    for text in texts:
        assert len(text.splitlines()) <= LIMIT
        kinds = {unicodedata.category(character) for character in text.replace("\n", "")}
        assert not kinds & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_an_event_that_never_came_is_waited_for_by_name() -> None:
    story = ping()
    expectation = EventExpected(story.end("server"), "drain")
    progress = expectation.check()
    assert progress.state is State.FAILED
    assert progress.mismatch is not None
    failed = Failure(
        mismatch=progress.mismatch, wait=Wait(peer="server", lasted=0.2, limit=0.2, scale=0.04)
    )

    lines = failure_text(outcome(story, failed)).splitlines()

    assert lines[0] == "server saw no drain; it saw close"
    assert lines[-2].startswith("  waiting: server for drain, 0.20 of 0.20 s (default, scale 0.04)")
