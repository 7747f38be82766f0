"""Requests to stats.nba.com through nba_api."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from nba_api import library
from nba_api.stats.endpoints.leaguegamelog import NBAStatsHTTP

from statmuse_pipeline.sources.service_client import (
    Answer,
    Content,
    Question,
    Reply,
    RequestsStopped,
    ServiceClient,
    ServiceFailing,
)
from statmuse_pipeline.sources.source import SourceError
from statmuse_pipeline.sources.stats_nba_answers import WAY_OUT, document

__all__ = ["Answer", "RequestsStopped", "ServiceFailing", "StatsNbaClient"]


@dataclass
class StatsNbaClient(ServiceClient):
    """One voice towards stats.nba.com.

    Attributes:
        base_url: such as `http://127.0.0.1:8000/stats/{endpoint}`; None for stats.nba.com.
    """

    base_url: str | None = None

    service: ClassVar[str] = "stats.nba.com"
    way_out: ClassVar[str] = WAY_OUT
    slow_hint: ClassVar[str] = f"; it ignores many cloud addresses: {WAY_OUT}, or set NBA_API_PROXY"

    def ask(
        self,
        request: Any,
        read: Callable[[Any], Content],
        *,
        season: str,
        attempts: int | None = None,
        timeout: tuple[float, float] | None = None,
    ) -> Answer[Content]:
        """What `read` makes of the answer, after as many attempts as it takes.

        Args:
            request: an endpoint of nba_api made with `get_request=False`.
            read: makes something of nba_api's response; raises SourceError or CutOff.
            season: under which the raw answer is kept.
            attempts: instead of the client's.
            timeout: instead of the client's.

        Raises:
            ServiceFailing: when the last attempt failed too.
            RequestsStopped: when the circuit breaker is open.
            SourceError: at once when trying again is pointless, or when nothing is stored to replay.
        """
        question = Question(request.endpoint, season, request.parameters, f"{request.endpoint} of {season}")
        return self.exchange(
            question,
            lambda patience: self._send(request, patience),
            lambda reply: read(_response(reply)),
            attempts=attempts,
            timeout=timeout,
        )

    def examine(self, reply: Reply) -> None:
        """The answer must be a JSON object."""
        document(_response(reply))

    def _send(self, request: Any, timeout: tuple[float, float]) -> Reply:
        NBAStatsHTTP.set_session(self.session)
        http = NBAStatsHTTP()
        if self.base_url is not None:
            http.base_url = self.base_url
        # nba_api also offers brotli, which requests cannot read without a further package.
        headers = {**NBAStatsHTTP.headers, "Accept-Encoding": "gzip, deflate"}
        try:
            response = http.send_api_request(
                endpoint=request.endpoint, parameters=request.parameters, headers=headers, timeout=timeout
            )
        except library.proxy.ProxyRequiredError as error:
            raise SourceError(f"stats.nba.com may not be reached: {error}") from error
        return Reply(response.get_response().encode(), response.get_url())


def _response(reply: Reply) -> Any:
    return NBAStatsHTTP.nba_response(response=reply.text, status_code=200, url=reply.url)
