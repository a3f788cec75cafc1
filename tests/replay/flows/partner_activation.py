"""The partner activation, with what the systems of its participants may answer."""

from __future__ import annotations

from tests.replay.flows import Stories, opened
from tests.semantics.language import Story

__all__ = ["STORIES"]

ACCOUNT = {"account_id": "4711"}


def _checked(risk: int = 20) -> Story:
    story = opened("partner_activation", {"company": "acme"}, "acme")
    return story.done("check_company", {"name": "acme", "risk": risk})


def provisioned() -> Story:
    story = _checked().done("list_signers", ["ceo@acme.example"])
    return story.done("create_account", ACCOUNT)


def _signed(story: Story) -> Story:
    return story.happens("partner.signed", {"company": "acme", "signed_by": "ceo"})


def asked_legal() -> Story:
    return _signed(provisioned())


def allowed() -> Story:
    story = asked_legal().decides("legal", "hal", "function_head")
    return story.decides("legal", "leo", "legal")


def active() -> Story:
    return allowed().done("activate", ACCOUNT)


def signed_before_the_account_is_there() -> Story:
    """An early signature is kept until it is waited for."""
    story = _signed(_checked()).done("create_account", ACCOUNT)
    return story.done("list_signers", ["ceo@acme.example"])


def struck_off() -> Story:
    story = opened("partner_activation", {"company": "acme"}, "acme")
    return story.failed("check_company", "struck-off")


def too_risky() -> Story:
    return _checked(80)


def no_account() -> Story:
    """One side fails: the other is stopped, and what it did undone."""
    return _checked().failed("create_account", "no-licence")


def no_signers() -> Story:
    return _checked().done("create_account", ACCOUNT).failed("list_signers", "unknown")


def not_signed_in_time() -> Story:
    return provisioned().after("14d").undone("create_account")


def legal_rejects() -> Story:
    story = asked_legal().decides("legal", "leo", "legal", answer="reject", reason="sanctions")
    return story.undone("create_account")


def legal_does_not_decide() -> Story:
    return asked_legal().decides("legal", "leo", "legal").after("3d").undone("create_account")


def not_activated() -> Story:
    return allowed().failed("activate", "suspended").undone("create_account")


def activated_for_all_we_know() -> Story:
    """The reply is lost; the probe finds that it happened."""
    story = allowed().started("activate").lost("activate")
    return story.answers("activate", "present", result=ACCOUNT)


def cancelled_while_provisioning() -> Story:
    return _checked().started("create_account").cancelled().done("create_account", ACCOUNT)


def cancelled_while_waiting() -> Story:
    return provisioned().cancelled()


def cancelled_while_activating() -> Story:
    story = allowed().started("activate").cancelled().done("activate", ACCOUNT)
    return story.undone("activate", "create_account")


def account_not_deleted() -> Story:
    return provisioned().cancelled().failed("create_account", "has-invoices")


def not_deactivated() -> Story:
    story = allowed().started("activate").cancelled().done("activate", ACCOUNT)
    return story.failed("activate", "in-use")


STORIES: Stories = {
    f"partner_activation_{story.__name__}": story
    for story in (
        not_deactivated,
        provisioned, asked_legal, allowed, active, signed_before_the_account_is_there, struck_off,
        too_risky, no_account, no_signers, not_signed_in_time, legal_rejects,
        legal_does_not_decide, not_activated, activated_for_all_we_know,
        cancelled_while_provisioning, cancelled_while_waiting, cancelled_while_activating,
        account_not_deleted,
    )
}  # fmt: skip
