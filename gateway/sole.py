"""The rule of a gateway whose machines are not isolated: one principal only."""

from catalog.errors import InvalidAuthorizationSpecification
from catalog.principals import Principal


class SolePrincipal:
    """Whoever logs in first is the only one, until the gateway ends."""

    def __init__(self) -> None:
        self._name: str | None = None

    def admit(self, principal: Principal) -> None:
        """Raises InvalidAuthorizationSpecification for a second principal."""
        if self._name is None:
            self._name = principal.name
        elif self._name != principal.name:
            raise InvalidAuthorizationSpecification(
                "this gateway serves one user only, because its machines cannot be isolated",
                hint="The gateway's log says which setting is needed, or start it with --isolation none.",
            )
