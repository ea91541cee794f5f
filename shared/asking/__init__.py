"""From an ask to an order: words read, parents found, pictures fetched, recipes made. Nothing is written."""
