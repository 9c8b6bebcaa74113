"""What `buff data profiles` lists: the forms of files, one a row."""

from buff.market.profiles import Profile

PROFILE_COLUMNS = ("profile", "files of", "formats", "times", "zone", "order")


def profile_row(profile: Profile) -> list[str]:
    """Return the cells of a profile in a list."""
    return [
        profile.name,
        profile.title,
        ", ".join(profile.formats),
        ", ".join(profile.times),
        profile.zone or "",
        profile.order,
    ]
