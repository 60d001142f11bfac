"""The balance of addresses: even when two walks met the same, odd around whatever only one of them met."""

import random

from tailrace.balances import Balance
from tailrace.sides import Address


def addresses(count):
    return [Address("orders@000001", f"o-{number}") for number in range(count)]


def test_two_walks_in_different_orders_balance():
    balance, met = Balance(), addresses(1_000)
    for address in met:
        balance.add(address)
    random.Random(1).shuffle(met)
    for address in met:
        balance.remove(address)

    assert balance.is_even()


def test_an_address_that_one_walk_missed_is_odd_and_the_others_are_not():
    balance = Balance()
    for address in addresses(1_000):
        balance.add(address)
    for address in addresses(999):
        balance.remove(address)

    assert not balance.is_even()
    assert [a.id for a in addresses(1_000) if not balance.is_even_around(a)] == ["o-999"]


def test_one_address_met_for_another_does_not_balance():
    balance = Balance()
    balance.add(Address("orders@000001", "a"))
    balance.remove(Address("orders@000002", "a"))

    assert not balance.is_even_around(Address("orders@000001", "a"))
    assert not balance.is_even_around(Address("orders@000002", "a"))


def test_any_text_is_an_address():
    balance = Balance()
    balance.add(Address("orders@000001", "\ud800|größe"))
    balance.remove(Address("orders@000001", "\ud800|größe"))

    assert balance.is_even()
