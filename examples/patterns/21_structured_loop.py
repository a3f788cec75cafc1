"""Pattern 21, Structured Loop: a part is repeated, with the question before or after each round.

`repeat(..., while_=...)` asks before a round, so there may be none; `until=...` asks after it, so
there is at least one. Every loop says how many rounds it may have at most.
"""

from pydantic import BaseModel

from troth import App, Participant, event, repeat, saga, set_, var


@event("article.handed-in", version=1, key="article")
class ArticleHandedIn(BaseModel):
    article: str
    missing_pictures: int


publisher = Participant("publisher")


@publisher.step("buy-picture")
def buy_picture(article: str, missing: int) -> None: ...


@publisher.step("proofread")
def proofread(article: str, round: int) -> int:
    """The faults that are left."""
    return max(0, len(article) - round)


@saga("pattern-structured-loop", version=1, starts_on=ArticleHandedIn)
def publish(article: ArticleHandedIn) -> int:
    missing = var("missing", int, 0)
    set_(missing=article.missing_pictures, name="count_pictures")
    with repeat("pictures", max=20, while_=missing > 0):
        buy_picture(article.article, missing)
        set_(missing=missing - 1, name="one_less")
    with repeat("proofs", max=10, until=lambda: faults == 0) as proof:
        faults = proofread(article.article, proof.number)
    return proof.rounds


app = App(sagas=[publish], participants=[publisher])
