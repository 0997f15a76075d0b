"""``ullage demo``: the real daemon against a real writer, on a disk made for it and gone afterwards."""
