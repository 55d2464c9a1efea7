"""How a session reads and writes dates and times."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Customs:
    """The settings TimeZone and DateStyle, as PostgreSQL spells their values."""

    time_zone: str = "UTC"
    date_style: str = "ISO, MDY"

    @property
    def writes_iso(self) -> bool:
        """Whether the texts of dates are ISO 8601's."""
        return self.date_style.startswith("ISO")


USUAL = Customs()
"""PostgreSQL's own, at UTC."""
