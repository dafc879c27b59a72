"""What the Python client does with an answer; bin/clients puts it into localboxs_billing.py."""
# --
import json
import re
import time
import urllib.error
import urllib.request
import uuid
from decimal import Decimal
from typing import Any, Dict, List, Optional, TypedDict, Union
from urllib.parse import quote, urlencode

# Credits are exact: numbers with a fraction are read as decimals, and may be given so.
Number = Union[int, Decimal]


class BillingError(Exception):
    """An answer that is neither good nor a refusal, or none: `status` is 0."""

    def __init__(self, status: int, problem: Dict[str, Any]) -> None:
        super().__init__(problem.get("detail", f"The service answered {status}."))
        self.status = status
        self.code: str = problem.get("code", "unknown")
        self.field: Optional[str] = problem.get("field")
        self.request_id: Optional[str] = problem.get("requestId")


class Refusal:
    """The service said no: not enough credits, a limit, or debt. Nothing was charged. It is false,
    so `if not (hold := billing.authorize(...))` reads as it should."""

    def __init__(self, problem: Dict[str, Any]) -> None:
        self.code: str = problem["code"]
        self.detail: str = problem["detail"]
        self.limit: Optional[str] = problem.get("limit")
        self.needed: Optional[Number] = problem.get("needed")
        self.available: Optional[Number] = problem.get("available")
        self.top_up_url: Optional[str] = problem.get("topUpUrl")
        self.upgrade_url: Optional[str] = problem.get("upgradeUrl")
        self.request_id: Optional[str] = problem.get("requestId")

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"Refusal({self.code}: {self.detail})"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


# A number stands in the text as a string with this mark until its digits are put in its place.
_MARK = "\0exact:"


class _Exact(json.JSONEncoder):
    def default(self, o: Any) -> Any:
        if isinstance(o, Decimal):
            return f"{_MARK}{o:f}"
        return super().default(o)


class Core:
    """Sends calls: bounded in time and tries, every write under a key."""

    def __init__(
        self,
        base_url: str,
        key: Optional[str] = None,
        *,
        tries: int = 3,
        timeout: float = 10.0,
        pause: float = 5.0,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._key = key
        self._tries, self._timeout, self._pause = tries, timeout, pause
        self._opener = urllib.request.build_opener(_NoRedirect)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Optional[Any] = None,
        query: Optional[Dict[str, Any]] = None,
        key: Optional[str] = None,
        refuses: bool = False,
    ) -> Any:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = self._base + path + (f"?{urlencode(given)}" if given else "")
        headers = {"Accept": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if method != "GET":
            # The caller's or one of our own, so that a second try is the same call.
            headers["Idempotency-Key"] = key or str(uuid.uuid4())
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            text = json.dumps(body, cls=_Exact)
            data = re.sub(r'"\\u0000exact:(-?[0-9.]+)"', r"\1", text).encode()
        left = self._tries
        while True:
            status, said, wait = self._once(method, url, headers, data)
            if 200 <= status < 300:
                return said
            if status == 402 and refuses:
                return Refusal(said)
            left -= 1
            if left < 1 or status not in (0, 429, 503):
                raise BillingError(status, said)
            time.sleep(min(wait, self._pause))

    def _once(self, method: str, url: str, headers: Dict[str, str], data: Optional[bytes]) -> Any:
        request = urllib.request.Request(url, data=data, headers=headers, method=method)
        try:
            try:
                answer = self._opener.open(request, timeout=self._timeout)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                wait = answer.headers.get("Retry-After", "1")
                said = _read(answer.read())
                return answer.status, said, float(wait) if wait.isdigit() else 1.0
        except (OSError, urllib.error.URLError) as error:
            return 0, {"code": "no_answer", "detail": f"No answer: {error}"}, 0.2


def _read(text: bytes) -> Dict[str, Any]:
    try:
        return json.loads(text, parse_float=Decimal) if text else {}
    except ValueError:
        return {"detail": "The answer is not JSON; is the address right?"}
