"""Pattern 16, Deferred Choice: which branch is taken is left open until something happens.

All branches of a `with race(...)` are offered at once, each with its trigger. The first trigger
that comes takes its branch, and in the same moment the others are withdrawn.
"""

from pydantic import BaseModel

from troth import App, Participant, branch, event, race, saga, sleep, wait_for


@event("quote.sent", version=1, key="quote")
class QuoteSent(BaseModel):
    quote: str


@event("quote.accepted", version=1, key="quote")
class QuoteAccepted(BaseModel):
    quote: str


@event("quote.declined", version=1, key="quote")
class QuoteDeclined(BaseModel):
    quote: str


sales = Participant("sales")


@sales.step("book-work")
def book_work(quote: str) -> None: ...


@sales.step("file-quote")
def file_quote(quote: str) -> None: ...


@sales.step("call-customer")
def call_customer(quote: str) -> None: ...


@saga("pattern-deferred-choice", version=1, starts_on=QuoteSent)
def follow_up(sent: QuoteSent) -> str:
    with race("answer") as answer:
        with branch("accepted", wait_for(QuoteAccepted, sent.quote, within=None)):
            book_work(sent.quote)
        with branch("declined", wait_for(QuoteDeclined, sent.quote, within=None)):
            file_quote(sent.quote)
        with branch("silence", sleep("patience", "14d")):
            call_customer(sent.quote)
    return answer.branch


app = App(sagas=[follow_up], participants=[sales])
