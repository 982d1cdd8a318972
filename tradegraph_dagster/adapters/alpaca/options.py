"""Options of the Alpaca sources, and what they share with the broker's."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from tradegraph_dagster.domain.core.errors import ConfigError

Seconds = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Symbol = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9.\-]{0,9}$")]
DATA_HOST = "data.alpaca.markets"
TRADING_HOSTS = {"paper": "paper-api.alpaca.markets", "live": "api.alpaca.markets"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def require_loopback(url: str | None) -> str | None:
    """A server on this machine that stands for Alpaca's.

    Raises:
        ValueError: It is another machine.
    """
    if url is not None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in LOOPBACK:
            raise ValueError("expected http:// and this machine: the keys go to no other host")
    return url


class AlpacaAccess(BaseModel):
    """Whose account it is.

    The two keys come from the environment variables TRADEGRAPH_SECRET_ALPACA_KEY_ID and
    TRADEGRAPH_SECRET_ALPACA_SECRET_KEY, and are refused in a settings file.

    Attributes:
        connect_timeout_s: Longest wait for a connection.
        key_id: From the environment.
        secret_key: From the environment.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    connect_timeout_s: Positive = 5.0
    key_id: SecretStr | None = None
    secret_key: SecretStr | None = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_plain_keys(cls, given: Any) -> Any:
        # Judged as a whole: an error of one field repeats what was found in it.
        for name in ("key_id", "secret_key"):
            value = given.get(name) if isinstance(given, dict) else None
            if value is not None and not isinstance(value, SecretStr):
                raise ValueError(
                    f"{name} is no setting: take it out, renew the key, and set "
                    f"TRADEGRAPH_SECRET_ALPACA_{name.upper()}"
                )
        return given

    def keys(self, user: str) -> tuple[str, str]:
        """The key id and the secret key.

        Raises:
            ConfigError: One of them is not set; the message names `user`, who needs it.
        """
        given = {
            "TRADEGRAPH_SECRET_ALPACA_KEY_ID": self.key_id,
            "TRADEGRAPH_SECRET_ALPACA_SECRET_KEY": self.secret_key,
        }
        absent = [name for name, value in given.items() if not (value and value.get_secret_value())]
        if absent:
            raise ConfigError(f"{user} needs {' and '.join(absent)}; set them, or take it off")
        key, secret = (value.get_secret_value() for value in given.values() if value is not None)
        return key, secret


class AlpacaOptions(AlpacaAccess):
    """What is asked for, and how gently.

    Prices are always asked for unadjusted, so there is no option for it. The keys are those of a
    paper account, which serves data as well as any other.

    Attributes:
        symbols: Instruments to ask for; None for every active one that can be traded, for the
            newest session only.
        feed: `sip`, all US exchanges; or `iex`, one exchange with a small part of the volume.
        read_timeout_s: Longest silence while an answer arrives.
        requests_per_minute: Pace; Alpaca's own limit is 200 on the basic plan.
        retry_waits_s: Wait before each further attempt; empty for one attempt only. Where Alpaca
            says how long to wait, that counts.
        max_silent_frac: The fraction of the listed instruments that may have no trade on a session;
            more is an incomplete answer.
        record_dir: Folder that keeps every request with its answer, without the keys, to be
            replayed; None keeps none.
        replay_url: Server on this machine that stands for every Alpaca host; None asks Alpaca.
    """

    symbols: Annotated[list[Symbol], Field(min_length=1)] | None = None
    feed: Literal["sip", "iex"] = "sip"
    read_timeout_s: Positive = 30.0
    requests_per_minute: Positive = 180.0
    retry_waits_s: Annotated[list[Seconds], Field(max_length=3)] = Field(
        default_factory=lambda: [1.0, 2.0, 4.0]
    )
    max_silent_frac: float = Field(default=0.25, ge=0.0, lt=1.0)
    record_dir: str | None = None
    replay_url: str | None = None

    _loopback = field_validator("replay_url")(require_loopback)

    @property
    def data_url(self) -> str:
        """Where bars and corporate actions are asked for."""
        return self._url(DATA_HOST)

    @property
    def trading_url(self) -> str:
        """Where assets and trading days are asked for."""
        return self._url(TRADING_HOSTS["paper"])

    def _url(self, host: str) -> str:
        if self.replay_url is None:
            return f"https://{host}"
        return f"{self.replay_url.rstrip('/')}/@{host}"


OPTIONS = AlpacaOptions
