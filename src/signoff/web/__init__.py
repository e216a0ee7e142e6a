"""The web inbox: pages in which people read and decide, under `/inbox`."""
