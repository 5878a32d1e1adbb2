"""The app: a folder in -> a page on this machine, and the calls that it is made of. It calls `whylight.api` alone."""
