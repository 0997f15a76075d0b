"""What a set gives back (issue 4): blocks that several backups share come back with the last of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.policy.make import backup
from ullage.model.backups import Share
from ullage.policy.gain import Gains, gain_of

NAMES = ("db-20260101", "db-20260102", "db-20260103", "db-20260104")
BACKUPS = [backup(name, reclaimable_bytes=10**number, inodes=number + 1) for number, name in enumerate(NAMES)]
shares = st.lists(
    st.builds(
        lambda owners, size, inodes: Share(owners=tuple(sorted(owners)), size_bytes=size, inodes=inodes),
        st.sets(st.sampled_from([*NAMES, "elsewhere"]), min_size=2),
        st.integers(0, 10**6),
        st.integers(0, 50),
    )
)


def test_what_two_share_comes_back_with_the_second() -> None:
    gains = Gains(BACKUPS, [Share(owners=NAMES[:2], size_bytes=5000, inodes=7)])
    assert gains.take(NAMES[0]) == (1, 1)
    assert gains.more(NAMES[1]) == (5010, 9)


@given(shares, st.lists(st.sampled_from(NAMES), unique=True))
def test_the_gain_of_a_set_is_what_all_its_owners_hold(found: list[Share], chosen: list[str]) -> None:
    whole = [share for share in found if set(share.owners) <= set(chosen)]
    alone = [one for one in BACKUPS if one.id in chosen]
    size = sum(one.reclaimable_bytes for one in alone) + sum(share.size_bytes for share in whole)
    inodes = sum(one.inodes for one in alone) + sum(share.inodes for share in whole)
    assert gain_of(chosen, BACKUPS, found) == (size, inodes)


@given(shares, st.lists(st.sampled_from(NAMES), unique=True, min_size=1))
def test_what_is_put_back_was_never_taken(found: list[Share], chosen: list[str]) -> None:
    gains = Gains(BACKUPS, found)
    for name in chosen:
        gains.take(name)
    gains.put_back(chosen[0])
    assert (gains.size, gains.inodes) == gain_of(chosen[1:], BACKUPS, found)
