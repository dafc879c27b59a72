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
    """Whether an account can make a call now, and why not."""

    # The tier that determines what the account may do.
    accessTier: str
    # Whether the call would be admitted now.
    allowed: bool
    # The credits available to spend now.
    available: Number
    # The number of calls that the plan allows in each period, or null if there is no limit.
    callsLimit: Union[int, None]
    # The number of calls made in the current period.
    callsThisPeriod: int
    # The number of credits that the call would cost.
    cost: Number
    # The time at which the calls are counted from zero again (RFC 3339, UTC).
    periodEnd: str
    # Why the call would be refused: `account_not_active`, `debt`, `plan_limit`, `spend_limit` or `insufficient_credits`. Null if it would be admitted.
    reason: Union[str, None]
    # The status of the subscription: `NONE`, `INCOMPLETE`, `TRIALING`, `ACTIVE`, `PAST_DUE`, `UNPAID`, `PAUSED` or `CANCELED`.
    status: str
    # The tier of the account's subscription, or the tier that overrides it.
    tier: str
    # The URL of the page for buying credits.
    topUpUrl: str
    # The URL of the page for changing the plan.
    upgradeUrl: str


class Balance(TypedDict, total=False):
    """An account's credits."""

    # The credits available to spend now.
    available: Number
    # All credits, minus the debt.
    balance: Number
    # The credits owed, because a payment was reversed after its credits had been spent.
    debt: Number
    # The grants with credits left, in the order in which they are spent.
    grants: List["BalanceGrant"]
    # The credits set aside by holds.
    held: Number
    # The time at which the account's credits last changed (RFC 3339, UTC).
    updatedAt: str


class BalanceGrant(TypedDict, total=False):
    """A grant with credits left."""

    # The time at which unspent credits expire (RFC 3339, UTC), or null for never.
    expiresAt: Union[str, None]
    # The id of the grant (`grant_...`).
    id: str
    # The kind of grant: `purchase`, `bonus`, `allowance`, `promo`, `adjustment`, `rollover` or `reinstatement`.
    kind: str
    # The number of credits left, including those held.
    remaining: Number


class Batch(TypedDict, total=False):
    """The results of a batch of debits."""

    # One result for each debit, in the order in which they were sent.
    results: List["BatchResult"]


class BatchCharged(TypedDict, total=False):
    """A debit of a batch that was charged."""

    # The credits available to spend after the debit.
    available: Number
    # The number of credits charged.
    credits: Number
    # The id of the debit (`deb_...`), made of its position in the account's journal and the start of the entry's hash.
    id: str
    # The operation that determined the price, or null if the request named `credits`.
    operation: Union[str, None]
    units: Union["Units", None]
    # The idempotency key of the debit.
    key: str
    # Whether this is the response to an earlier request with the same key.
    replayed: bool
    # The HTTP status: always 201.
    status: int

# The result of one debit: what a single debit would have returned, with its status.
BatchResult = Union["BatchCharged", Dict[str, Any]]


class Debit(TypedDict, total=False):
    """A call that was charged."""

    # The credits available to spend after the debit.
    available: Number
    # The number of credits charged.
    credits: Number
    # The id of the debit (`deb_...`), made of its position in the account's journal and the start of the entry's hash.
    id: str
    # The operation that determined the price, or null if the request named `credits`.
    operation: Union[str, None]
    units: Union["Units", None]


class Hold(TypedDict, total=False):
    """Credits that are set aside."""

    # The credits available to spend besides the hold.
    available: Number
    # The number of credits set aside.
    credits: Number
    # The time at which the hold expires (RFC 3339, UTC).
    expiresAt: str
    # The id of the hold (`hold_...`).
    id: str
    # The state of the hold: `pending`.
    state: str


class NewBatch(TypedDict, total=False):
    """Debits to charge in one request. If one is refused, the others aren't affected."""

    # Up to 1,000 debits, each with its own `key`.
    debits: List["NewDebit"]


class NewCapture(TypedDict, total=False):
    """The final cost of a call: either `credits`, or `units` of the hold's operation. Without either, the whole hold is captured. Zero releases the hold, unless the operation is free. `credits` are at most a hundred times the hold, or 100 for a hold of less than 1; no capture is above 10^9 credits, unless its hold is."""

    # The account of the hold. Optional; if it is sent, it must match the hold's account.
    account: Union[str, None]
    # The number of credits to charge, with at most six decimals.
    credits: Union[Number, None]
    units: Union["UnitsUsed", None]


class NewDebit(TypedDict, total=False):
    """A charge: either `credits`, or `units` of an `operation`. One of `credits` and `operation` is required; one default call is `{"operation": "call"}`."""

    # The account: its `acc_...` id, or the host application's id for it. Required with a server key; a meter key charges its own account.
    account: Union[str, None]
    # The number of credits to charge: a positive number with at most six decimals. It can't be combined with `operation` or `units`.
    credits: Union[Number, None]
    # Your name for what is metered, up to 200 characters.
    endpoint: Union[str, None]
    # The idempotency key of a debit in a batch, where it is required. A single debit has its key in the `Idempotency-Key` header instead.
    key: Union[str, None]
    # The name of an operation in the catalog.
    operation: Union[str, None]
    units: Union["UnitsUsed", None]


class NewHold(TypedDict, total=False):
    """The credits to set aside: either `credits`, or estimated `units` of an `operation`. Without any of them, the price of one unit of the operation `call` is set aside. With `max`, as much as there is for an `operation`, up to `credits`."""

    # The account: its `acc_...` id, or the host application's id for it. Required with a server key; a meter key uses its own account.
    account: Union[str, None]
    # The number of credits to set aside: a positive number with at most six decimals. It can't be combined with `units`, and with `operation` only beside `max`.
    credits: Union[Number, None]
    # Your name for what is metered, up to 200 characters.
    endpoint: Union[str, None]
    # Whether to set aside as much as there is: at most `credits`, and at least what one unit of the operation costs (of its dearest meter, if it has several).
    max: bool
    # The name of an operation in the catalog. The default is `call`.
    operation: Union[str, None]
    # The number of seconds until the hold expires, from 1 to 86,400. The default is 120.
    ttlSeconds: Union[int, None]
    units: Union["UnitsUsed", None]


class Receipt(TypedDict, total=False):
    """The details of a hold and its charge."""

    # The time at which the hold was created (RFC 3339, UTC).
    authorizedAt: str
    # The number of credits charged, including any beyond the hold.
    charged: Number
    chargedUnits: Union["Units", None]
    # The caller's name for what was metered, or null if none was given.
    endpoint: Union[str, None]
    # The time at which the hold expires (RFC 3339, UTC).
    expiresAt: str
    # The number of credits set aside.
    held: Number
    # The id of the hold (`hold_...`).
    id: str
    # Whether the hold was captured after it had expired.
    isLate: bool
    key: Union["ReceiptKey", None]
    # The grants that the credits were held from and charged to.
    lots: List["ReceiptLot"]
    # What each meter of the operation cost a unit, and its units; empty for an operation with one rate.
    meters: List["ReceiptMeter"]
    # The operation that determined the price, or null if the request named `credits`.
    operation: Union[str, None]
    # The version of the catalog that determined the price, or null if it is not known.
    rateCardVersion: Union[int, None]
    # The time at which the hold was captured, released or expired (RFC 3339, UTC), or null while it is pending.
    resolvedAt: Union[str, None]
    # The number of held credits given back.
    returned: Number
    # The state of the hold: `pending`, `captured`, `released` or `expired`.
    state: str
    # The number of credits that were requested but couldn't be charged.
    uncollected: Number
    units: Union["Units", None]


class ReceiptKey(TypedDict, total=False):
    """The API key that made a call."""

    # The id of the key (`key_...`).
    id: str
    # The name of the key.
    name: str


class ReceiptLot(TypedDict, total=False):
    """One grant's share of a hold."""

    # The number of credits charged to the grant.
    charged: Number
    # The id of the grant (`grant_...`).
    grant: str
    # The number of credits held from the grant.
    held: Number
    # The kind of grant: `purchase`, `bonus`, `allowance`, `promo`, `adjustment`, `rollover` or `reinstatement`.
    kind: str


class ReceiptMeter(TypedDict, total=False):
    """One meter of a call."""

    # The number of units authorized: the estimate.
    authorized: "Units"
    # The number of units charged.
    charged: "Units"
    # The name of the meter.
    meter: str
    # The number of credits that one unit costs.
    rate: Number


class Settled(TypedDict, total=False):
    """The result of a capture or a release."""

    # The credits available to spend now.
    available: Number
    # The number of credits charged, including any beyond the hold.
    captured: Number
    # The id of the hold (`hold_...`).
    id: str
    # The number of held credits given back.
    released: Number
    # The state of the hold: `captured` or `released`.
    state: str
    # The number of credits that were requested but couldn't be charged.
    uncollected: Number

# A number of units, exact to six decimals. For an operation with several meters, the units of each meter by its name.
Units = Union[Number, Dict[str, Number]]

# What a call used: a number of units of its operation, or those of each of its meters by name. Both have at most six decimals. This is only the schema of what is read as text.
UnitsUsed = Union[Number, Dict[str, Number]]


class Billing(Core):
    """The calls; each returns what the service answered, or raises BillingError."""

    def authorize(self, idempotency_key: str, body: NewHold) -> Union[Hold, Refusal]:
        """Creates a hold, which sets credits aside for a call"""
        return self._call("POST", "/api/v1/holds", body=body, key=idempotency_key, refuses=True)

    def capture(self, id: str, body: Optional[NewCapture] = None, *, account: Optional[str] = None) -> Settled:
        """Captures a hold, which charges its credits"""
        return self._call("POST", f"/api/v1/holds/{quote(id, safe='')}/capture", body=body, query={"account": account})

    def release(self, id: str, *, account: Optional[str] = None) -> Settled:
        """Releases a hold, which gives its credits back"""
        return self._call("POST", f"/api/v1/holds/{quote(id, safe='')}/release", query={"account": account})

    def hold(self, id: str, *, account: Optional[str] = None) -> Receipt:
        """Returns the receipt of a hold: the credits set aside and charged, the grants they came from, and the price"""
        return self._call("GET", f"/api/v1/holds/{quote(id, safe='')}", query={"account": account})

    def debit(self, idempotency_key: str, body: NewDebit) -> Union[Debit, Refusal]:
        """Charges a call in one step, without a hold"""
        return self._call("POST", "/api/v1/debits", body=body, key=idempotency_key, refuses=True)

    def debit_batch(self, body: NewBatch) -> Batch:
        """Charges up to 1,000 calls in one request"""
        return self._call("POST", "/api/v1/debits/batch", body=body)

    def balance(self, *, account: Optional[str] = None) -> Balance:
        """Returns an account's credits"""
        return self._call("GET", "/api/v1/balance", query={"account": account})

    def access(self, *, account: Optional[str] = None, operation: Optional[str] = None, units: Optional[Union[Number, str]] = None) -> Access:
        """Reports whether a call would be admitted now, and why not"""
        return self._call("GET", "/api/v1/access", query={"account": account, "operation": operation, "units": units})

    def pricing(self) -> Dict[str, Any]:
        """Returns the plans, credit packs and operations on sale"""
        return self._call("GET", "/api/pricing")
