"""The loop over the steps of a case.

An action goes to the driver and returns at once. An expectation is compared with the unclaimed
events of the timeline. The reactor runs until an event satisfies it, an event makes it impossible,
or its time is over. An expectation *claims* the events that satisfy it. When the steps are done,
what is left unclaimed is a *finding*, so nothing is ignored silently.
"""

from dataclasses import dataclass, field, replace

from sockharness.drivers.engine import EngineFailed
from sockharness.location import Location
from sockharness.printable import count
from sockharness.replay.calls import check_raised, check_returned, judge, judge_error
from sockharness.replay.channels import Channels
from sockharness.replay.differences import (
    Differs,
    if_meant,
    it_holds,
    other_engines,
    otherwise,
    why_it_fails,
)
from sockharness.replay.failed import StepFailed, failed
from sockharness.replay.findings import because_of_handshake, findings, grave
from sockharness.replay.hints import deafness, one_has_tls, silence
from sockharness.replay.in_time import Judge
from sockharness.replay.settling import settle, unfinished
from sockharness.replay.setup import Setup
from sockharness.replay.waiting import CASE_LIMIT, Waiting
from sockharness.sockspec import model
from sockharness.sockspec.model.bindings import NoValueError
from sockharness.story.events import Event
from sockharness.story.expectations import (
    BytesExpected,
    EventExpected,
    Expectation,
    Mismatch,
    NothingExpected,
    Progress,
    State,
    ending,
    how_it_ended,
)
from sockharness.story.handshakes import alert_judge, handshake_judge
from sockharness.story.messages import DatagramsExpected
from sockharness.story.outcome import Failure, Outcome, Verdict
from sockharness.story.timeline import LISTENER, Channel


@dataclass(slots=True)
class Replayer:
    """Replays a case that is set up.

    Args:
        setup: what the replay owns.
        scale: multiplies every time limit.
    """

    setup: Setup
    scale: float = 1.0
    _calls: list[Event] = field(default_factory=list)
    _unjudged: list[tuple[Channel, model.Action, Event]] = field(default_factory=list)
    _location: Location | None = None
    _row: str = ""
    _waiting: Waiting = field(init=False)
    _channels: Channels = field(init=False)

    def __post_init__(self) -> None:
        self._waiting = Waiting(self.setup, self.scale)
        self._channels = Channels(self.setup, self._waiting)

    def run(self) -> Outcome:
        """Replay the case; return its outcome."""
        row = hint = ""
        try:
            failures = self._with_remarks(self._failures())
            hint = if_meant(self.setup, failures)
            row = why_it_fails(self.setup, failures)
        except EngineFailed as failed:
            failures = [self._engine_failed(failed)]
        except Differs as differs:
            row, failures = differs.row, [differs.failure]
        verdict = Verdict.DIFFERS if row else self._verdict(failures)
        return Outcome(
            verdict=verdict,
            timeline=self.setup.timeline,
            failures=failures,
            row=row or self._row,
            engines=other_engines(self.setup),
            hint=hint,
        )

    def _failures(self) -> list[Failure]:
        try:
            for number, step in enumerate(self.setup.case.steps):
                self._location = step.location
                try:
                    self._step_here(number, step)
                except NoValueError as error:
                    raise failed(step.location, f"{error}: nothing was captured for it") from None
            self.setup.driver.sync()
            unfinished = self._settle()
            self._judge_calls()
            return self._wire() + unfinished + findings(self.setup, self._calls, unfinished)
        except StepFailed as wrong:
            reported = wrong.failure.mismatch.events
            cause = because_of_handshake(self.setup, wrong.failure)
            if cause is None:
                return [wrong.failure, *grave(self.setup, reported)]
            reported = (*reported, *cause.mismatch.events)
            return [cause, wrong.failure, *grave(self.setup, reported)]

    def _engine_failed(self, failed: EngineFailed) -> Failure:
        mismatch = Mismatch(headline=failed.headline, note=failed.headline, details=failed.details)
        return Failure(mismatch=mismatch, location=self._location)

    def _with_remarks(self, failures: list[Failure]) -> list[Failure]:
        """Add the remarks of the engines to the first failure."""
        remarks = self.setup.driver.remarks() if failures else []
        if not remarks:
            return failures
        first = failures[0].mismatch
        mismatch = replace(first, details=(*first.details, *remarks))
        return [replace(failures[0], mismatch=mismatch), *failures[1:]]

    def _verdict(self, failures: list[Failure]) -> Verdict:
        capture = self.setup.capture
        if capture is not None and not capture.whole:
            lost = f"{count(capture.drops + capture.unkept, 'frame')} lost by the capture"
            failures.insert(0, Failure(mismatch=Mismatch(headline=lost, note=lost)))
            return Verdict.INCONCLUSIVE
        return Verdict.FAILED if failures else Verdict.PASSED

    # ---- steps

    def _step_here(self, number: int, step: model.Step) -> None:
        """Do a step, or what the spec says in its place for the engines of the step's peers."""
        difference = otherwise(self.setup, number, step)
        if difference is None:
            self._step(step)
            return
        if difference.instead is not None:
            self._step(difference.instead)
            self._row = difference.row
            return
        try:
            self._step(step)
        except StepFailed as wrong:
            raise Differs(difference.row, wrong.failure) from None
        raise StepFailed(it_holds(difference))

    def _step(self, step: model.Step) -> None:
        match step:
            case model.Arrow():
                self._arrow(step)
            case model.Act():
                self._act(step)
            case model.Sees():
                channel = self._channels.of(step.peer, step.within, opened=step.event != "open")
                hint = deafness(self.setup.case, step)
                self._await(_seen(channel, step), step.location, step.within, hint=hint)
            case model.Received():
                channel = self._channels.of(step.peer, step.within)
                matcher = step.payload.matcher(self.setup.names)
                self._await(BytesExpected(channel, matcher), step.location, step.within)
            case model.ReceivedDatagrams():
                channel = self._channels.of(step.peer, step.within)
                matchers = [each.matcher(self.setup.names) for each in step.payloads]
                datagrams = DatagramsExpected(channel, matchers, unordered=step.unordered)
                self._await(datagrams, step.location, step.within)
            case model.Never():
                channel = self._channels.of(step.peer, None)
                self._never(NothingExpected(channel, step.event), step)

    def _arrow(self, step: model.Arrow) -> None:
        if self.setup.case.peers[step.sender.name].udp is not None:
            self._datagram(step)
            return
        sender, receiver = self._channels.of_arrow(step)
        if self.setup.case.peers[step.sender.name].scripted:
            self._do(sender, model.WriteAll(step.payload, step.location))
        matcher = step.payload.matcher(self.setup.names)
        self._await(
            BytesExpected(receiver, matcher),
            step.location,
            step.within,
            hint=silence(self.setup.case, step),
            also=one_has_tls(self.setup.case, sender.peer, receiver.peer, sender, receiver),
        )

    def _datagram(self, step: model.Arrow) -> None:
        """Let a datagram go from one UDP socket to another."""
        peer = self.setup.case.peers[step.sender.name]
        receiver = self.setup.timeline.channel(step.receiver.name)
        if peer.scripted:
            to = "" if peer.udp is not None and peer.udp.connected else step.receiver.name
            sender = self.setup.timeline.channel(step.sender.name)
            self._do(sender, model.Send(step.payload, step.location, to))
        matcher = step.payload.matcher(self.setup.names)
        expectation = DatagramsExpected(receiver, [matcher], source=step.sender.name)
        self._await(expectation, step.location, step.within, hint=silence(self.setup.case, step))

    def _act(self, step: model.Act) -> None:
        action = step.action
        if action.name == "connect":
            self.setup.driver.connect(self.setup.case.peers[step.peer.name])
            return
        if action.name in ("stop", "reload") and self.setup.case.peers[step.peer.name].listens:
            channel = self.setup.timeline.channel(step.peer.name)
        else:
            channel = self._channels.of(step.peer, step.within)
        event = self._do(channel, action, checked=step.returns is not None or bool(step.raises))
        if step.raises:
            check_raised(step, event)
        elif step.returns is not None:
            judge_error(channel, action, event)
            check_returned(step, step.returns, event.result)
            if step.returns.capture and event.result is not None:
                self.setup.names.capture({step.returns.capture: event.result})

    def _do(self, channel: Channel, action: model.Action, *, checked: bool = False) -> Event:
        """Let the driver act; a call that failed or was cut short fails the step, maybe later.

        Args:
            channel: who acts.
            action: what it does.
            checked: whether the step says itself what the call returns or raises.
        """
        if channel.connection != LISTENER and channel.opened is None:
            words = f"{channel.peer} cannot {action.name}: it saw {ending(channel)}"
            raise failed(action.location, words, events=how_it_ended(channel))
        event = self.setup.driver.act(channel, action)
        self._calls.append(event)
        if checked:
            self.setup.driver.sync()
        else:
            self._unjudged.append((channel, action, event))
            self._judge_calls()
        return event

    def _judge_calls(self) -> None:
        """Judge what calls returned that no step says more of, as soon as they have returned."""
        calls, self._unjudged = self._unjudged, []
        for channel, action, event in calls:
            if self.setup.driver.pending(event):
                self._unjudged.append((channel, action, event))
            else:
                judge(self.setup, channel, action, event)

    # ---- expectations

    def _await(
        self,
        expectation: Expectation,
        location: Location,
        within: float | None,
        *,
        hint: str = "",
        also: str = "",
    ) -> None:
        """Wait until an expectation is satisfied, or cannot be any more.

        Args:
            expectation: what is to come.
            location: of the step.
            within: the seconds that the step has.
            hint: why nothing may come at all.
            also: another hint.
        """
        progress: Progress | None = None
        judge = Judge(expectation, location, scale=self.scale)

        def decided() -> bool:
            nonlocal progress
            if self._unjudged:
                self._judge_calls()
            progress = judge.ask(expectation.check)
            return progress.state is not State.PENDING

        peer, began = expectation.channel.peer, self.setup.timeline.now()
        wait = self._waiting.wait(decided, within, peer=peer)
        assert progress is not None, "the condition is asked at least once"
        if progress.state is State.SATISFIED:
            self.setup.names.capture(progress.captures)
            return
        mismatch = progress.mismatch or judge.ask(expectation.give_up)
        hints = tuple(filter(None, ("" if mismatch.received else hint, also)))
        mismatch = replace(mismatch, details=(*mismatch.details, *hints))
        if not mismatch.waiting_for:
            wait = None
        elif wait is None:
            wait = self._waiting.since(began, within, peer=peer)
        raise StepFailed(Failure(mismatch=mismatch, location=location, wait=wait))

    def _never(self, expectation: NothingExpected, step: model.Never) -> None:
        progress = expectation.check()

        def came() -> bool:
            nonlocal progress
            progress = expectation.check()
            return progress.state is State.FAILED

        lasting = step.lasting * self.scale
        wait = self._waiting.last(came, lasting, peer=step.peer.name)
        if wait is None and progress.mismatch is not None:
            raise StepFailed(Failure(mismatch=progress.mismatch, location=step.location))
        if wait is not None and wait.origin == CASE_LIMIT:
            said = f"{step.peer} had no {step.event} until {CASE_LIMIT}"
            note = f"{said}; the step asks for {lasting:g} s"
            raise failed(step.location, said, note, wait=wait, waiting_for=f"no {step.event}")

    # ---- the end

    def _settle(self) -> list[Failure]:
        """Wait for what engines owe; return the failures of what stays unfinished."""
        owed = settle(self.setup, self._waiting)
        return [unfinished(self.setup, each, wait) for each, wait in owed]

    def _wire(self) -> list[Failure]:
        if not self.setup.case.wire:
            return []
        from sockharness.replay.frames import check_frames

        return check_frames(self.setup, scale=self.scale)


def _seen(channel: Channel, step: model.Sees) -> EventExpected:
    if step.event == "handshake":
        judge = handshake_judge(
            facts=step.facts, error=step.error, message=step.message, alert=step.alert
        )
        return EventExpected(channel, step.event, judge=judge)
    judge = alert_judge(step.alert)
    return EventExpected(channel, step.event, error=step.error, message=step.message, judge=judge)
