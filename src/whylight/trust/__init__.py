"""How far to trust maps: a dataset in -> metrics (`evaluation`); a model in -> sanity checks of a method (`sanity`)."""
