"""Options of the akshare sources."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Symbol = Annotated[str, Field(pattern=r"^\d{6}\.(SH|SZ|BJ)$")]


class AkshareOptions(BaseModel):
    """Which vendor is asked, how gently, and what is kept of its answers.

    Prices are always asked for unadjusted, so there is no option for it.

    Attributes:
        vendor: Whose bars; also the name of the source.
        symbols: Instruments to ask for; None for all that are listed.
        connect_timeout_s: Longest wait for a connection.
        read_timeout_s: Longest silence while an answer arrives.
        answer_timeout_s: Longest time for one whole answer.
        interval_s: Shortest time between two requests; up to half of it is added at random.
        retry_waits_s: Wait before each further attempt of a GET; empty for one attempt only.
        quarantine_dir: Folder that keeps the body of an answer that cannot be read; None keeps
            none.
        record_dir: Folder that keeps every request with its answer, to be replayed; None keeps
            none.
        replay_url: Server that stands for every vendor host, such as http://127.0.0.1:8000; None
            asks the vendors.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    vendor: Literal["eastmoney", "sina", "tencent"]
    symbols: Annotated[list[Symbol], Field(min_length=1)] | None = None
    connect_timeout_s: Positive = 5.0
    read_timeout_s: Positive = 20.0
    answer_timeout_s: Positive = 60.0
    interval_s: Seconds = 1.0
    retry_waits_s: Annotated[list[Seconds], Field(max_length=3)] = Field(
        default_factory=lambda: [2.0, 4.0, 8.0]
    )
    quarantine_dir: str | None = None
    record_dir: str | None = None
    replay_url: str | None = None


OPTIONS = AkshareOptions
