"""A package outside whylight that adds one of each: a function, a rule, a method, a metric and a reader."""
