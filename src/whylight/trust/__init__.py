"""How far to trust maps: metrics over a dataset (`evaluation`), and sanity checks of a method (`sanity`)."""
