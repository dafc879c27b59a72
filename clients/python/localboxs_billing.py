"""The client of LocalBoxs Billing. Written by bin/clients from /openapi.json. Do not edit."""

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


class Access(TypedDict, total=False):
    """What an account may do now."""

    # The tier that counts for what the account may do.
    accessTier: str
    # Whether the call would be admitted now.
    allowed: bool
    # What may be spent.
    available: Number
    # Calls the plan allows in its period; none without a limit.
    callsLimit: Union[int, None]
    # Calls made in it.
    callsThisPeriod: int
    # What the call would cost.
    cost: Number
    # When the period ends.
    periodEnd: str
    # Why not: `account_not_active`, `debt`, `plan_limit`, `spend_limit` or `insufficient_credits`.
    reason: Union[str, None]
    # `ACTIVE`, `PAST_DUE`, `NONE` and the like.
    status: str
    # The tier of the subscription, or the one that was set over it.
    tier: str
    # Where to buy credits.
    topUpUrl: str
    # Where to change the plan.
    upgradeUrl: str


class Balance(TypedDict, total=False):
    """Credits of an account."""

    # What may be spent now.
    available: Number
    # All credits, less the debt.
    balance: Number
    # What a reversed payment could not take back.
    debt: Number
    # Grants with credits left, in the order they are spent.
    grants: List["BalanceGrant"]
    # Set aside by holds.
    held: Number
    # When a credit last moved.
    updatedAt: str


class BalanceGrant(TypedDict, total=False):
    """One grant with credits left."""

    # When it ends.
    expiresAt: Union[str, None]
    # `grant_...`
    id: str
    # What the credits are.
    kind: str
    # What is left of it.
    remaining: Number


class Batch(TypedDict, total=False):
    """What became of each debit, in the order they were sent."""

    results: List["BatchResult"]


class BatchCharged(TypedDict, total=False):
    """A debit that was charged."""

    # What may be spent after it.
    available: Number
    # What was charged.
    credits: Number
    # `deb_...`: its place in the account's journal, and the beginning of that entry's hash.
    id: str
    # The operation that priced it.
    operation: Union[str, None]
    # Units of it.
    units: Union[int, None]
    # The debit's key.
    key: str
    # Whether this repeats an earlier answer.
    replayed: bool
    # 201.
    status: int

# The answer a debit would have had alone, with its status.
BatchResult = Union["BatchCharged", Dict[str, Any]]


class Debit(TypedDict, total=False):
    """A charged call."""

    # What may be spent after it.
    available: Number
    # What was charged.
    credits: Number
    # `deb_...`: its place in the account's journal, and the beginning of that entry's hash.
    id: str
    # The operation that priced it.
    operation: Union[str, None]
    # Units of it.
    units: Union[int, None]


class Hold(TypedDict, total=False):
    """Credits set aside."""

    # What may be spent besides.
    available: Number
    # What is set aside.
    credits: Number
    # When it expires.
    expiresAt: str
    # `hold_...`
    id: str
    # `pending`
    state: str


class NewBatch(TypedDict, total=False):
    """Debits to charge together. One that is refused does not stop the others."""

    # At most 1,000, each with its `key`.
    debits: List["NewDebit"]


class NewCapture(TypedDict, total=False):
    """What the call cost in the end: `credits`, or `units` of the hold's operation; all of the hold without either. Zero equals a release."""

    # The account; only checked where it is named, since the hold says whose it is.
    account: Union[str, None]
    # Credits, with at most six decimals.
    credits: Union[Number, None]
    # Units of the hold's operation, at the price of the hold's time.
    units: Union[int, None]


class NewDebit(TypedDict, total=False):
    """What to charge: `credits`, or `units` of an `operation`; one `call` without either."""

    # The account, by our id or the host application's. A server key must name it.
    account: Union[str, None]
    # Credits, with at most six decimals.
    credits: Union[Number, None]
    # The caller's name for what it meters.
    endpoint: Union[str, None]
    # In a batch: the debit's own idempotency key.
    key: Union[str, None]
    # An operation of the catalog.
    operation: Union[str, None]
    # Units of it; 1 without.
    units: Union[int, None]


class NewHold(TypedDict, total=False):
    """What to set aside: `credits`, or `units` of an `operation`; one `call` without either."""

    # The account, by our id or the host application's. A server key must name it.
    account: Union[str, None]
    # Credits, with at most six decimals.
    credits: Union[Number, None]
    # The caller's name for what it meters.
    endpoint: Union[str, None]
    # An operation of the catalog.
    operation: Union[str, None]
    # Seconds until the hold expires: 1 to 86,400; 120 without.
    ttlSeconds: Union[int, None]
    # Units of it; 1 without.
    units: Union[int, None]


class Receipt(TypedDict, total=False):
    """All about a hold."""

    # When it was authorized.
    authorizedAt: str
    # Charged, the difference above the hold included.
    charged: Number
    # The caller's name for what it meters.
    endpoint: Union[str, None]
    # When it expires.
    expiresAt: str
    # Set aside.
    held: Number
    # The hold.
    id: str
    # Whether it was captured after its time had run out.
    isLate: bool
    key: Union["ReceiptKey", None]
    # The grants it was pinned to and charged to.
    lots: List["ReceiptLot"]
    # The operation that priced it.
    operation: Union[str, None]
    # Version of the catalog that priced it.
    rateCardVersion: Union[int, None]
    # When it was settled.
    resolvedAt: Union[str, None]
    # Given back out of the hold.
    returned: Number
    # `pending`, `captured`, `released` or `expired`.
    state: str
    # Asked for and not collected.
    uncollected: Number
    # Units of it.
    units: Union[int, None]


class ReceiptKey(TypedDict, total=False):
    """The key that made a call."""

    # `key_...`
    id: str
    # What its owner calls it.
    name: str


class ReceiptLot(TypedDict, total=False):
    """One grant's part in a hold."""

    # Charged in the end.
    charged: Number
    # `grant_...`
    grant: str
    # Pinned by the hold.
    held: Number
    # What its credits are.
    kind: str


class Settled(TypedDict, total=False):
    """What became of a hold."""

    # What may be spent now.
    available: Number
    # Everything charged, the difference above the hold included.
    captured: Number
    # The hold.
    id: str
    # Given back out of the hold.
    released: Number
    # `captured` or `released`.
    state: str
    # Asked for and not collected.
    uncollected: Number


class Billing(Core):
    """The calls; each returns what the service answered, or raises BillingError."""

    def authorize(self, idempotency_key: str, body: NewHold) -> Union[Hold, Refusal]:
        """Sets credits aside for a call"""
        return self._call("POST", "/api/v1/holds", body=body, key=idempotency_key, refuses=True)

    def capture(self, id: str, body: Optional[NewCapture] = None, *, account: Optional[str] = None) -> Settled:
        """Charges a hold"""
        return self._call("POST", f"/api/v1/holds/{quote(id, safe='')}/capture", body=body, query={"account": account})

    def release(self, id: str, *, account: Optional[str] = None) -> Settled:
        """Gives a hold's credits back"""
        return self._call("POST", f"/api/v1/holds/{quote(id, safe='')}/release", query={"account": account})

    def hold(self, id: str, *, account: Optional[str] = None) -> Receipt:
        """The receipt of a hold: what was set aside and charged, out of which grants, at which price"""
        return self._call("GET", f"/api/v1/holds/{quote(id, safe='')}", query={"account": account})

    def debit(self, idempotency_key: str, body: NewDebit) -> Union[Debit, Refusal]:
        """Charges a call"""
        return self._call("POST", "/api/v1/debits", body=body, key=idempotency_key, refuses=True)

    def debit_batch(self, body: NewBatch) -> Batch:
        """Charges up to 1,000 calls, each under its own key"""
        return self._call("POST", "/api/v1/debits/batch", body=body)

    def balance(self, *, account: Optional[str] = None) -> Balance:
        """The credits of an account now"""
        return self._call("GET", "/api/v1/balance", query={"account": account})

    def access(self, *, account: Optional[str] = None, operation: Optional[str] = None, units: Optional[int] = None) -> Access:
        """What an account may do now, and why not more"""
        return self._call("GET", "/api/v1/access", query={"account": account, "operation": operation, "units": units})

    def pricing(self) -> Dict[str, Any]:
        """What is sold"""
        return self._call("GET", "/api/pricing")
