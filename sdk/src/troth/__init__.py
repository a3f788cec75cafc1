"""What users import: declare sagas, run participants, talk to the engine."""

from ._acts import TaskDone, active, await_, cancel, deadline, done, finish, move, now, task, undo
from ._app import App
from ._approval import approve
from ._blocks import branch, choose, otherwise, out, parallel, race, repeat, scope, when
from ._calendars import Calendar, Every, Throttle, add_open_days, next_open
from ._children import child
from ._classes import A0, A1, A2, A3, R0, R1, R2, R3, S0, S1, S2, S3
from ._client import AsyncClient, Client
from ._contracts import Contract, Effect, Participant
from ._each import Items, add, each
from ._errors import CannotTell, NotDone, Refused, RetryAfter, TrothError
from ._events import event
from ._forms import (
    cel,
    emit,
    expired,
    fail,
    fulfil,
    has,
    is_in,
    new,
    not_,
    param,
    set_,
    size,
    sleep,
    var,
    wait_for,
)
from ._handling import on, on_failure, refused, undo_flow
from ._journal import Journal
from ._lease import cancelled, heartbeat_now
from ._locks import lock
from ._models import CurrentStep
from ._options import Accepted, Pivot, Retry
from ._problems import EngineError
from ._saga import DoubleStart, Saga, saga
from ._steps import Step
from ._updates import Rule, update
from ._values import Collect, Decision
from ._worker import Worker

__all__ = [
    "A0",
    "A1",
    "A2",
    "A3",
    "R0",
    "R1",
    "R2",
    "R3",
    "S0",
    "S1",
    "S2",
    "S3",
    "Accepted",
    "App",
    "AsyncClient",
    "Calendar",
    "CannotTell",
    "Client",
    "Collect",
    "Contract",
    "CurrentStep",
    "Decision",
    "DoubleStart",
    "Effect",
    "EngineError",
    "Every",
    "Items",
    "Journal",
    "NotDone",
    "Participant",
    "Pivot",
    "Refused",
    "Retry",
    "RetryAfter",
    "Rule",
    "Saga",
    "Step",
    "TaskDone",
    "Throttle",
    "TrothError",
    "Worker",
    "active",
    "add",
    "add_open_days",
    "approve",
    "await_",
    "branch",
    "cancel",
    "cancelled",
    "cel",
    "child",
    "choose",
    "deadline",
    "done",
    "each",
    "emit",
    "event",
    "expired",
    "fail",
    "finish",
    "fulfil",
    "has",
    "heartbeat_now",
    "is_in",
    "lock",
    "move",
    "new",
    "next_open",
    "not_",
    "now",
    "on",
    "on_failure",
    "otherwise",
    "out",
    "parallel",
    "param",
    "race",
    "refused",
    "repeat",
    "saga",
    "scope",
    "set_",
    "size",
    "sleep",
    "task",
    "undo",
    "undo_flow",
    "update",
    "var",
    "wait_for",
    "when",
]
