"""Orders over time: uses per epoch, and orders that their seller takes back."""

from __future__ import annotations

import pickle
from datetime import datetime, timedelta, timezone

import pytest
import sealock as sl
from conftest import visits_policy, visits_schema, visits_table
from sealock.errors import InvalidArgument, NotAuthorized, OrderMismatch, OrderRevoked, UseLimitReached


def publish(exchange: sl.Exchange, **keywords: object) -> tuple[sl.Owner, sl.Asset]:
    owner = exchange.owner(sl.Account.generate())
    published = owner.publish(
        visits_table(),
        name="Visits",
        schema=visits_schema(),
        policy=visits_policy(),
        price=sl.Price.free(),
        **keywords,  # type: ignore[arg-type]
    )
    return owner, published.asset


def order(exchange: sl.Exchange, asset: sl.Asset) -> sl.Order:
    consumer = exchange.consumer(sl.Account.generate())
    consumer.buy(asset)
    return consumer.order(asset)


def test_uses_are_counted_per_epoch() -> None:
    exchange = sl.Exchange.in_memory()
    _, asset = publish(exchange, uses_per_order=1, renewed_every=timedelta(days=7))
    assert asset.renewed_every == timedelta(days=7)
    # As its holder saw it.
    assert sl.Asset.from_bytes(asset.to_bytes()).renewed_every == timedelta(days=7)
    mine = order(exchange, asset)
    assert mine.uses_left == 1
    mine.request(sl.select(sl.count()))
    assert mine.uses_left == 0
    with pytest.raises(UseLimitReached) as caught:
        mine.request(sl.select(sl.count()))
    week = 7 * 86_400
    following = (int(datetime.now(timezone.utc).timestamp()) // week + 1) * week
    assert caught.value.hint is not None and str(following) in caught.value.hint


@pytest.mark.parametrize("span", [599, 601, timedelta(days=31), timedelta(minutes=9)])
def test_epochs_are_whole_minutes_within_an_orders_life(span: timedelta | int) -> None:
    with pytest.raises(InvalidArgument, match="renewed_every"):
        publish(sl.Exchange.in_memory(), renewed_every=span)


def test_an_owner_takes_an_order_back() -> None:
    exchange = sl.Exchange.in_memory()
    owner, asset = publish(exchange)
    assert asset.renewed_every is None
    assert owner.orders(asset) == []
    kept, taken = order(exchange, asset), order(exchange, asset)
    first, second = owner.orders(asset)
    assert (first.index, second.index, second.service, second.uses) == (kept.index, taken.index, 0, taken.uses)
    assert second.expires == taken.expires and len(second.commitment) == 32 and second.revocation is None
    assert taken.revocation is None

    before = datetime.now(timezone.utc)
    revoked = owner.revoke(asset, second, refund=True)
    assert revoked.refunded and revoked.announced >= before.replace(microsecond=0)
    notice = revoked.effective - before
    assert timedelta(minutes=5) - timedelta(seconds=1) <= notice <= timedelta(minutes=6, seconds=5)
    assert revoked.effective.second == 0
    assert taken.revocation == revoked == owner.orders(asset)[1].revocation
    assert kept.revocation is None
    assert pickle.loads(pickle.dumps(owner.orders(asset))) == owner.orders(asset)
    # It was announced, and has yet to take effect.
    taken.request(sl.select(sl.count()))

    with pytest.raises(OrderRevoked):
        owner.revoke(asset, second, refund=True)
    with pytest.raises(InvalidArgument, match="at the earliest"):
        owner.revoke(asset, first, refund=False, effective=datetime.now(timezone.utc))
    for late in (first.expires + timedelta(days=1), int(first.expires.timestamp() * 1000), 2**64 - 1):
        with pytest.raises(InvalidArgument, match="at the latest"):
            owner.revoke(asset, first, refund=False, effective=late)
    # A record of another asset names nobody's order here.
    _, other = publish(exchange)
    order(exchange, other)
    with pytest.raises(OrderMismatch):
        owner.revoke(other, first, refund=True)
    assert owner.orders(asset)[0].revocation is None
    with pytest.raises(NotAuthorized):
        exchange.owner(sl.Account.generate()).revoke(asset, first, refund=False)
    with pytest.raises(TypeError, match="OrderRecord"):
        owner.revoke(asset, kept, refund=False)  # type: ignore[arg-type]
    later = first.expires - timedelta(days=1)
    assert (
        timedelta(0)
        <= owner.revoke(asset, first, refund=False, effective=later).effective - later
        < timedelta(minutes=1)
    )
