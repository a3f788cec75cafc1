"""Which fold belongs to which stored event of a commitment. No definition, no clock.

The folds change the dicts of a fork and replace the frozen records in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain import events as ev
from domain.folds import children, effects, items, life, locks, nodes, undoing, waits, work
from domain.state import in_flight

__all__ = ["FOLDS", "in_flight"]

FOLDS: dict[Any, Callable[[Any, Any], None]] = {
    ev.CommitmentOpened: life.opened,
    ev.CommitmentPaused: life.paused,
    ev.CommitmentResumed: life.resumed,
    ev.MessageDeferred: life.deferred,
    ev.CommitmentHeld: life.held,
    ev.CommitmentReleased: life.released,
    ev.CancelAsked: life.cancel_asked,
    ev.MessageRefused: life.nothing,
    ev.CommitmentEnded: life.ended,
    ev.NodeEntered: nodes.entered,
    ev.BranchClosed: nodes.branch_closed,
    ev.NodeDone: nodes.done,
    ev.NodeSkipped: nodes.skipped,
    ev.NodeFailed: nodes.failed,
    ev.NodesStopped: nodes.stopped,
    ev.ItemsAdded: items.added,
    ev.ItemsClosed: items.closed,
    ev.ItemClosed: items.item_closed,
    ev.VarsSet: nodes.vars_set,
    ev.FactEmitted: nodes.set_at_once,
    ev.WaitOpened: waits.wait_opened,
    ev.HandlerOpened: waits.handler_opened,
    ev.EventTaken: waits.taken,
    ev.QuietSet: waits.quiet_set,
    ev.TimerFired: waits.timer_fired,
    ev.SleepStarted: waits.sleep_started,
    ev.AwaitOpened: work.await_opened,
    ev.TaskOffered: work.task_offered,
    ev.TaskClaimed: work.task_claimed,
    ev.TaskReleased: work.task_released,
    ev.TaskEscalated: work.task_escalated,
    ev.TaskDone: work.task_done,
    ev.TimerMoved: work.timer_moved,
    ev.UpdateAccepted: work.update_accepted,
    ev.ApprovalAsked: waits.asked,
    ev.ApprovalAmended: waits.amended,
    ev.ApprovalEscalated: waits.escalated,
    ev.SeatTaken: waits.seat_taken,
    ev.ApprovalGranted: waits.granted,
    ev.ApprovalRejected: waits.rejected,
    ev.ApprovalVoided: waits.voided,
    ev.LockWanted: locks.wanted,
    ev.LockGranted: locks.granted,
    ev.LockReleased: locks.released,
    ev.ChildAsked: children.asked,
    ev.ChildOpened: children.opened,
    ev.ChildStopAsked: children.stop_asked,
    ev.ChildLeft: children.left,
    ev.ChildEnded: children.ended,
    ev.EffectIntended: effects.intended,
    ev.EffectStarted: effects.started,
    ev.AttemptFailed: effects.attempt_failed,
    ev.EffectRetried: effects.retried,
    ev.EffectDone: effects.done,
    ev.EffectFailed: effects.failed,
    ev.EffectUnknown: effects.unknown,
    ev.EffectProbed: effects.probed,
    ev.EffectStopAsked: effects.stop_asked,
    ev.EffectWithdrawn: effects.withdrawn,
    ev.EffectContradicted: life.nothing,
    ev.EffectLate: life.nothing,
    ev.PartStopping: undoing.stopping,
    ev.PartStopped: undoing.stopped,
    ev.UndoBegun: undoing.begun,
    ev.UndoEnded: undoing.ended,
    ev.UndoSealed: undoing.sealed,
    ev.DebtOpened: undoing.debt_opened,
    ev.DebtRetried: life.nothing,
    ev.DebtSettled: undoing.debt_settled,
}
