"""Which route wants which role: one table. A key needs one of the roles named."""

__all__ = ["ROLES", "ROLE_NAMES", "allowed"]

ROLE_NAMES = ("producer", "participant", "approver", "operator", "reader")

_ANY = frozenset(ROLE_NAMES)
_LOOK = frozenset({"reader", "operator"})
_JUDGE = _LOOK | {"approver"}
# A producer follows what its event began.
_FOLLOW = _JUDGE | {"producer"}
_START = frozenset({"producer", "operator"})
_OPERATE = frozenset({"operator"})
_WORK = frozenset({"participant"})
_PUBLISH = frozenset({"producer"})
_DECIDE = frozenset({"approver"})

ROLES: dict[tuple[str, str], frozenset[str]] = {
    ("GET", "/v1/definitions"): _ANY,
    ("GET", "/v1/definitions/{saga}/{version}"): _ANY,
    ("PUT", "/v1/definitions/{saga}/{version}"): _OPERATE,
    ("POST", "/v1/commitments"): _START,
    ("GET", "/v1/commitments"): _JUDGE,
    ("GET", "/v1/commitments/{id}"): _FOLLOW,
    ("GET", "/v1/commitments/{id}/history"): _JUDGE,
    ("GET", "/v1/commitments/{id}/stream"): _FOLLOW,
    ("POST", "/v1/commitments/{id}/controls"): _OPERATE,
    ("POST", "/v1/commitments/{id}/updates/{name:path}"): _START,
    ("GET", "/v1/commitments/{id}/updates/{name:path}"): _FOLLOW,
    ("GET", "/v1/commitments/{id}/results/{name}"): _FOLLOW,
    ("GET", "/v1/sagas/{saga}/keys/{key:path}"): _FOLLOW,
    ("GET", "/v1/sagas/{saga}/keys/{key:path}/history"): _JUDGE,
    ("GET", "/v1/sagas/{saga}/keys/{key:path}/stream"): _FOLLOW,
    ("GET", "/v1/counts"): _FOLLOW,
    ("GET", "/v1/facts"): _FOLLOW,
    ("POST", "/v1/events"): _PUBLISH,
    ("GET", "/v1/approvals"): _JUDGE,
    ("GET", "/v1/approvals/{id}"): _JUDGE,
    ("POST", "/v1/approvals/{id}/decision"): _DECIDE,
    ("GET", "/v1/tasks"): _JUDGE,
    ("GET", "/v1/tasks/{id}"): _JUDGE,
    ("POST", "/v1/tasks/{id}/claim"): _DECIDE,
    ("POST", "/v1/tasks/{id}/release"): _DECIDE,
    ("POST", "/v1/tasks/{id}/complete"): _DECIDE,
    ("POST", "/v1/participants/{participant}/claims"): _WORK,
    ("POST", "/v1/participants/{participant}/starts"): _WORK,
    ("POST", "/v1/participants/{participant}/heartbeats"): _WORK,
    ("POST", "/v1/participants/{participant}/replies"): _WORK,
    ("POST", "/v1/leases/{effect}/start"): _WORK,
    ("POST", "/v1/leases/{effect}/heartbeat"): _WORK,
    ("POST", "/v1/leases/{effect}/complete"): _WORK,
    ("POST", "/v1/leases/{effect}/fail"): _WORK,
    ("GET", "/v1/dead-letters"): _LOOK,
    ("GET", "/v1/dead-letters/{number}"): _LOOK,
    ("POST", "/v1/dead-letters/{number}/redrive"): _OPERATE,
    ("POST", "/v1/dead-letters/{number}/discard"): _OPERATE,
    ("GET", "/v1/parked"): _LOOK,
    ("GET", "/v1/parked-streams"): _LOOK,
    ("POST", "/v1/parked-streams/{id}/release"): _OPERATE,
    ("GET", "/v1/debts"): _LOOK,
}


def allowed(method: str, path: str) -> frozenset[str]:
    """The roles of a route; a route that is not in the table is open to nobody."""
    return ROLES.get((method, path), frozenset())
