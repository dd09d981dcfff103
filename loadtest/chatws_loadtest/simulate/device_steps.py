"""Steps of a plan that concern one device: what its user does, and the faults of its connection."""

from __future__ import annotations

from chatws_loadtest.simulate.cast import conversation_of
from chatws_loadtest.simulate.device import SimulatedDevice
from chatws_loadtest.simulate.device_connection import DeviceConnection
from chatws_loadtest.simulate.plan import PlannedStep
from chatws_loadtest.simulate.trace import SimulationTrace


def do_with_device(device: SimulatedDevice, step: PlannedStep, now: float, trace: SimulationTrace) -> None:
    """Carry out a step of a device."""
    if step.is_fault:
        trace.add("fault: {} of {}", step.do, device.name)
        _break(device, step, now)
    elif step.conversation:
        _act_in_conversation(device, step, trace)
    else:
        _act(device, step, trace)


def _act(device: SimulatedDevice, step: PlannedStep, trace: SimulationTrace) -> None:
    match step.do:
        case "connect":
            device.connect()
        case "disconnect":
            trace.add("{} disconnects", device.name)
            device.disconnect()
        case "presence":
            device.choose_presence(step.status or "online")
        case "inbox":
            device.subscribe_inbox()


def _act_in_conversation(device: SimulatedDevice, step: PlannedStep, trace: SimulationTrace) -> None:
    conversation_id = conversation_of(step.conversation)
    match step.do:
        case "join":
            device.join(conversation_id)
        case "leave":
            trace.add("{} leaves {}", device.name, conversation_id)
            device.leave(conversation_id)
        case "send":
            trace.add("{} sends {} to {}", device.name, step.text, conversation_id)
            device.send(conversation_id, step.text)
        case "type" | "stop_typing":
            device.type(conversation_id, is_typing=step.do == "type")
        case "read":
            device.read(conversation_id, step.share)
        case _:
            device.change(step.do, conversation_id)


def _break(device: SimulatedDevice, step: PlannedStep, now: float) -> None:
    until = now + step.for_ms / 1000
    if step.do == "freeze":
        device.frozen_until = until
    if device.connection is not None:
        _break_connection(device.connection, step, until)


def _break_connection(connection: DeviceConnection, step: PlannedStep, until: float) -> None:
    match step.do:
        case "cut":
            connection.cut()
        case "half_open":
            connection.lose_silently()
        case "freeze":
            connection.freeze(until)
        case "lose_ack":
            connection.output.loses_next_ack = True
