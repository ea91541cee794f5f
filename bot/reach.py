"""Who can fetch what: Discord our pictures, and we a picture that somebody names by a link."""

from collections.abc import Collection
from ipaddress import ip_address

from yarl import URL


def reaches(api_base: str, link: str) -> bool:
    """Whether that Discord can fetch our pictures: the real one never reaches into a private net."""
    return not _is_private(URL(link).host) or _is_private(URL(api_base).host)


def origins(link: str, named: Collection[str]) -> set[str]:
    """Where pictures may be fetched from although it is near: our own pictures, and what the operator names."""
    own = {str(URL(link).origin())} if link.startswith("http") else set()
    return own | set(named)


def _is_private(host: str | None) -> bool:
    if not host or host == "localhost" or ("." not in host.strip("[]") and ":" not in host):
        return True  # a name without a dot is a neighbour's
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host.endswith((".local", ".internal", ".localhost"))
