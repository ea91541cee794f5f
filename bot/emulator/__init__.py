"""A local Discord: REST v10 and gateway v10 on loopback, and a page to type in."""
