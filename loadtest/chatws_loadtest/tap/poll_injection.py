"""Faults in the body of a polling request or response, which carries several packets."""

from __future__ import annotations

from dataclasses import dataclass, field

from chatws.wire.engineio import join_payload, split_payload
from chatws.wire.errors import WireError
from chatws_loadtest.tap.fault_injector import Fault, InjectionState, Ruling, corrupt


@dataclass(slots=True)
class InjectedBody:
    """Body with faults; ``body`` is empty if no packet remains."""

    body: bytes
    faults: list[Fault] = field(default_factory=list)
    delay_s: float = 0.0
    """Delay of the whole request or response: its packets cannot overtake each other."""
    is_cut: bool = False


def inject_into_body(state: InjectionState, body: bytes, *, from_client: bool) -> InjectedBody:
    """Apply the rules to each packet of a body."""
    injected = InjectedBody(body)
    try:
        parts = split_payload(body)
    except WireError:
        return injected
    kept: list[str | bytes] = []
    # Packet that follows the next one of the same event.
    waiting: tuple[Ruling, str] | None = None
    for part in parts:
        ruling = state.decide(part, from_client=from_client) if isinstance(part, str) else None
        fault = None if ruling is None else ruling.fault
        if ruling is None or fault is None or not isinstance(part, str):
            kept.append(part)
        elif fault.rule.action == "reorder" and waiting is None:
            waiting = (ruling, part)
            continue
        else:
            _apply(injected, kept, fault, part)
        if waiting is not None and ruling is not None and ruling.subject == waiting[0].subject:
            injected.faults += [] if waiting[0].fault is None else [waiting[0].fault]
            kept.append(waiting[1])
            waiting = None
    if waiting is not None:  # the body has no other packet of the event
        kept.append(waiting[1])
    if injected.faults:
        injected.body = join_payload(kept) if kept else b""
    return injected


def _apply(injected: InjectedBody, kept: list[str | bytes], fault: Fault, part: str) -> None:
    action = fault.rule.action
    if action == "reorder":  # only one packet waits at a time
        kept.append(part)
        return
    injected.faults.append(fault)
    injected.is_cut |= action == "cut"
    injected.delay_s = max(injected.delay_s, fault.rule.delay_s)
    kept += {"drop": [], "duplicate": [part, part], "corrupt": [corrupt(part)]}.get(action, [part])
