"""A whole dataset: every row explained in -> an overlay each, and the table with a column that names them.

    rows ──cut──> shards ──run by an engine──> overlays and journal ──joined──> result CSV

A shard is cut into batches; a batch goes through all stages in one thread (`step`), several batches at once
(`engines`). What is done is in the journal (`journal`): a run that stops anywhere goes on there (`run`).
"""
