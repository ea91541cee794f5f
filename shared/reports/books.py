"""The reports that may be of one person, of one server, or of everybody."""

from shared.reports.billing import billing
from shared.reports.usage import usage

BOOKS = {"usage": usage, "billing": billing}
