"""The loop over the steps of a case.

An action goes to the driver and returns at once. An expectation is held against the unclaimed
events of the timeline, and the reactor runs until one satisfies it, one makes it impossible, or
the time is over. When the steps are done, whatever nobody claimed is a finding: nothing is
ignored silently.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sockharness.drivers.engine import EngineFailed
from sockharness.location import Location
from sockharness.printable import count
from sockharness.replay.calls import check_raised, check_returned, judge, judge_error
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
from sockharness.replay.hints import deafness, silence, tongues
from sockharness.replay.in_time import Judge
from sockharness.replay.settling import settle, unfinished
from sockharness.replay.stage import Stage
from sockharness.sockspec import model
from sockharness.sockspec.text.typed import CASE_SECONDS
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
from sockharness.story.outcome import Failure, Outcome, Verdict, Wait
from sockharness.story.timeline import LISTENER, Channel

CASE_LIMIT = "the case's limit"
STEP = 5.0
"""Seconds that a step may take, unless it says otherwise."""


@dataclass(slots=True)
class Replayer:
    """Replays a case on a stage that is set up.

    Args:
        stage: the bundle of the case.
        scale: multiplies every time limit.
    """

    stage: Stage
    scale: float = 1.0
    _told: list[Event] = field(default_factory=list)
    _owed: list[tuple[Channel, model.Action, Event]] = field(default_factory=list)
    _place: Location | None = None
    _row: str = ""

    def run(self) -> Outcome:
        """Replay; the outcome says what came of it."""
        row = hint = ""
        try:
            failures = self._with_remarks(self._failures())
            hint = if_meant(self.stage, failures)
            row = why_it_fails(self.stage, failures)
        except EngineFailed as failed:
            failures = [self._engine_failed(failed)]
        except Differs as differs:
            row, failures = differs.row, [differs.failure]
        verdict = Verdict.DIFFERS if row else self._verdict(failures)
        return Outcome(
            verdict=verdict,
            timeline=self.stage.timeline,
            failures=failures,
            row=row or self._row,
            engines=other_engines(self.stage),
            hint=hint,
        )

    def _failures(self) -> list[Failure]:
        try:
            for number, step in enumerate(self.stage.case.steps):
                self._place = step.location
                self._step_here(number, step)
            self.stage.driver.sync()
            unfinished = self._settle()
            self._judge_owed()
            return self._wire() + unfinished + findings(self.stage, self._told, unfinished)
        except StepFailed as wrong:
            told = wrong.failure.mismatch.events
            cause = because_of_handshake(self.stage, wrong.failure)
            if cause is None:
                return [wrong.failure, *grave(self.stage, told)]
            told = (*told, *cause.mismatch.events)
            return [cause, wrong.failure, *grave(self.stage, told)]

    def _engine_failed(self, failed: EngineFailed) -> Failure:
        mismatch = Mismatch(headline=failed.headline, note=failed.headline, details=failed.details)
        return Failure(mismatch=mismatch, location=self._place)

    def _with_remarks(self, failures: list[Failure]) -> list[Failure]:
        """Add what the engines say besides to the first failure."""
        remarks = self.stage.driver.remarks() if failures else []
        if not remarks:
            return failures
        first = failures[0].mismatch
        told = replace(first, details=(*first.details, *remarks))
        return [replace(failures[0], mismatch=told), *failures[1:]]

    def _verdict(self, failures: list[Failure]) -> Verdict:
        capture = self.stage.capture
        if capture is not None and not capture.whole:
            lost = f"{count(capture.drops + capture.unkept, 'frame')} lost by the capture"
            failures.insert(0, Failure(mismatch=Mismatch(headline=lost, note=lost)))
            return Verdict.INCONCLUSIVE
        return Verdict.FAILED if failures else Verdict.PASSED

    # ---- steps

    def _step_here(self, number: int, step: model.Step) -> None:
        """Do a step, or what is stated for the engines that its peers run on."""
        difference = otherwise(self.stage, number, step)
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
                channel = self._channel(step.peer, step.within, opened=step.event != "open")
                hint = deafness(self.stage.case, step)
                self._await(_seen(channel, step), step.location, step.within, hint=hint)
            case model.Received():
                channel = self._channel(step.peer, step.within)
                matcher = step.payload.matcher(self.stage.names)
                self._await(BytesExpected(channel, matcher), step.location, step.within)
            case model.ReceivedDatagrams():
                channel = self._channel(step.peer, step.within)
                matchers = [each.matcher(self.stage.names) for each in step.payloads]
                datagrams = DatagramsExpected(channel, matchers, unordered=step.unordered)
                self._await(datagrams, step.location, step.within)
            case model.Never():
                channel = self._channel(step.peer, None)
                self._never(NothingExpected(channel, step.event), step)

    def _arrow(self, step: model.Arrow) -> None:
        if self.stage.case.peers[step.sender.name].udp is not None:
            self._datagram(step)
            return
        sender, receiver = self._both_ends(step)
        if self.stage.case.peers[step.sender.name].scripted:
            self._tell(sender, model.WriteAll(step.payload, step.location))
        matcher = step.payload.matcher(self.stage.names)
        self._await(
            BytesExpected(receiver, matcher),
            step.location,
            step.within,
            hint=silence(self.stage.case, step),
            also=tongues(self.stage.case, sender.peer, receiver.peer, sender, receiver),
        )

    def _datagram(self, step: model.Arrow) -> None:
        """Let a datagram go from one UDP socket to another."""
        peer = self.stage.case.peers[step.sender.name]
        receiver = self.stage.timeline.channel(step.receiver.name)
        if peer.scripted:
            to = "" if peer.udp is not None and peer.udp.connected else step.receiver.name
            sender = self.stage.timeline.channel(step.sender.name)
            self._tell(sender, model.Send(step.payload, step.location, to))
        matcher = step.payload.matcher(self.stage.names)
        expectation = DatagramsExpected(receiver, [matcher], source=step.sender.name)
        self._await(expectation, step.location, step.within, hint=silence(self.stage.case, step))

    def _act(self, step: model.Act) -> None:
        action = step.action
        if action.name == "connect":
            self.stage.driver.connect(self.stage.case.peers[step.peer.name])
            return
        if action.name in ("stop", "reload") and self.stage.case.peers[step.peer.name].listens:
            channel = self.stage.timeline.channel(step.peer.name)
        else:
            channel = self._channel(step.peer, step.within)
        event = self._tell(channel, action, checked=step.returns is not None or bool(step.raises))
        if step.raises:
            check_raised(step, event)
        elif step.returns is not None:
            judge_error(channel, action, event)
            check_returned(step, step.returns, event.result)
            if step.returns.capture and event.result is not None:
                self.stage.names.capture({step.returns.capture: event.result})

    def _tell(self, channel: Channel, action: model.Action, *, checked: bool = False) -> Event:
        """Let the driver act; a call that failed or was cut short fails the step, maybe later.

        Args:
            channel: who acts.
            action: what it does.
            checked: whether the step says itself what the call returns or raises.
        """
        if channel.connection != LISTENER and channel.opened is None:
            words = f"{channel.peer} cannot {action.name}: it saw {ending(channel)}"
            raise failed(action.location, words, events=how_it_ended(channel))
        event = self.stage.driver.act(channel, action)
        self._told.append(event)
        if checked:
            self.stage.driver.sync()
        else:
            self._owed.append((channel, action, event))
            self._judge_owed()
        return event

    def _judge_owed(self) -> None:
        """Judge what calls returned that no step says more of, as soon as they have returned."""
        owed, self._owed = self._owed, []
        for channel, action, event in owed:
            if self.stage.driver.pending(event):
                self._owed.append((channel, action, event))
            else:
                judge(self.stage, channel, action, event)

    # ---- waiting

    def _held(self, condition: Callable[[], bool], limit: float) -> bool:
        """Say whether a condition held in time; if not, an engine that hangs is to blame."""
        held = self.stage.run_until(condition, limit)
        if not held:
            self.stage.driver.sync()
        return held

    def _await(
        self,
        expectation: Expectation,
        location: Location,
        within: float | None,
        *,
        hint: str = "",
        also: str = "",
    ) -> None:
        progress: Progress | None = None
        judge = Judge(expectation, location, scale=self.scale)

        def decided() -> bool:
            nonlocal progress
            if self._owed:
                self._judge_owed()
            progress = judge.ask(expectation.check)
            return progress.state is not State.PENDING

        began = self.stage.timeline.now()
        limit, origin = self._limit(within)
        self._held(decided, limit)
        assert progress is not None, "the condition is asked at least once"
        if progress.state is State.SATISFIED:
            self.stage.names.capture(progress.captures)
            return
        mismatch = progress.mismatch or judge.ask(expectation.give_up)
        hints = tuple(filter(None, ("" if mismatch.received else hint, also)))
        mismatch = replace(mismatch, details=(*mismatch.details, *hints))
        wait = None
        if mismatch.waiting_for:
            wait = self._waited(expectation.channel.peer, began, limit, origin)
        raise StepFailed(Failure(mismatch=mismatch, location=location, wait=wait))

    def _never(self, expectation: NothingExpected, step: model.Never) -> None:
        progress = expectation.check()

        def came() -> bool:
            nonlocal progress
            progress = expectation.check()
            return progress.state is State.FAILED

        began = self.stage.timeline.now()
        lasting, limit = step.lasting * self.scale, self._left()
        if self._held(came, min(lasting, limit)) and progress.mismatch is not None:
            raise StepFailed(Failure(mismatch=progress.mismatch, location=step.location))
        if limit < lasting:
            said = f"{step.peer} had no {step.event} until {CASE_LIMIT}"
            wait = self._waited(step.peer.name, began, limit, CASE_LIMIT)
            note = f"{said}; the step asks for {lasting:g} s"
            raise failed(step.location, said, note, wait=wait, waiting_for=f"no {step.event}")

    def _waited(self, peer: str, began: float, limit: float, origin: str) -> Wait:
        lasted = self.stage.timeline.now() - began
        return Wait(peer=peer, lasted=lasted, limit=limit, origin=origin, scale=self.scale)

    def _limit(self, within: float | None) -> tuple[float, str]:
        """Return the seconds that a step may still take, and where that comes from."""
        wanted = within if within is not None else STEP
        limit = min(wanted * self.scale, self._left())
        if limit < wanted * self.scale:
            return limit, CASE_LIMIT
        return limit, "within" if within is not None else "default"

    def _left(self) -> float:
        """Return the seconds that are left of the case."""
        return max(0.0, CASE_SECONDS * self.scale - self.stage.timeline.now())

    # ---- who is meant

    def _both_ends(self, step: model.Arrow) -> tuple[Channel, Channel]:
        """Return the sender's and the receiver's end of the connection between them."""
        sender, receiver = step.sender, step.receiver
        if self.stage.case.peers[sender.name].listens:
            near = self._channel(receiver, step.within)
            return self._far_end(near, sender, step.within), near
        near = self._channel(sender, step.within)
        return near, self._far_end(near, receiver, step.within)

    def _far_end(self, near: Channel, ref: model.PeerRef, within: float | None) -> Channel:
        if ref.connection is not None:
            return self._channel(ref, within)
        began = self.stage.timeline.now()
        limit, origin = self._limit(within)
        self._held(lambda: near.remote is not None or _never_accepted(near), limit)
        if near.remote is not None:
            return near.remote
        if _never_accepted(near):
            raise failed(ref.location, f"{near.peer} saw {ending(near)}", events=how_it_ended(near))
        words = f"{ref.name} did not accept {near.peer}'s connection"
        because = tongues(self.stage.case, ref.name, near.peer)
        note = f"{words}: {because}" if because else words
        wait = self._waited(near.peer, began, limit, origin)
        raise failed(ref.location, words, note, wait=wait, waiting_for=f"{ref.name} to accept")

    def _channel(self, ref: model.PeerRef, within: float | None, *, opened: bool = True) -> Channel:
        """Return the connection that is meant, once it is open (or can no longer open)."""
        if self.stage.case.peers[ref.name].udp is not None:
            return self.stage.timeline.channel(ref.name)
        listens = self.stage.case.peers[ref.name].listens
        if ref.other is not None and listens:
            near = self._channel(ref.other, within)
            return self._far_end(near, model.PeerRef(name=ref.name, location=ref.location), within)
        known = self.stage.timeline.connections(ref.name)
        number = ref.connection or (1 if listens else len(known))
        if number == LISTENER:
            hint = f"{ref.name} has not connected yet"
            raise failed(ref.location, hint, f"{hint}; add the step '- {ref.name}: connect' before")
        channel = self.stage.timeline.channel(ref.name, number)
        if opened:
            self._await_open(channel, ref, within)
        return channel

    def _await_open(self, channel: Channel, ref: model.PeerRef, within: float | None) -> None:
        """Wait until a connection is open, or can no longer open."""
        if channel.opened or channel.closed:
            return
        began = self.stage.timeline.now()
        limit, origin = self._limit(within)
        if self._held(lambda: bool(channel.opened or channel.closed), limit):
            return
        listens = self.stage.case.peers[ref.name].listens
        if ref.connection is None:
            words = f"{ref.name} accepted no connection" if listens else f"{ref} has no connection"
        else:
            known = [each for each in self.stage.timeline.connections(ref.name) if each.opened]
            did = "accepted" if listens else "made"
            words = f"{ref.name} {did} {count(len(known), 'connection')}; {ref} did not come"
        note = f"{words}, or a handshake is not done" if self.stage.case.speaks_tls else words
        wait = self._waited(ref.name, began, limit, origin)
        raise failed(ref.location, words, note, wait=wait, waiting_for="a connection")

    # ---- the end

    def _settle(self) -> list[Failure]:
        """Wait for what engines owe, as long as a step may take; return what stays unfinished."""
        began = self.stage.timeline.now()
        limit, origin = self._limit(None)
        owed = settle(self.stage, limit)
        return [
            unfinished(self.stage, each, self._waited(each.action.peer, began, limit, origin))
            for each in owed
        ]

    def _wire(self) -> list[Failure]:
        if not self.stage.case.wire:
            return []
        from sockharness.replay.frames import check_frames

        return check_frames(self.stage, scale=self.scale)


def _seen(channel: Channel, step: model.Sees) -> EventExpected:
    if step.event == "handshake":
        judge = handshake_judge(
            facts=step.facts, error=step.error, message=step.message, alert=step.alert
        )
        return EventExpected(channel, step.event, judge=judge)
    judge = alert_judge(step.alert)
    return EventExpected(channel, step.event, error=step.error, message=step.message, judge=judge)


def _never_accepted(channel: Channel) -> bool:
    """Say whether a client's connection is over for good, so that no listener can accept it."""
    closed = channel.closed
    return closed is not None and (channel.opened is None or closed.error is not None)
