"""The same shards on a Ray cluster of two nodes, one of which is lost."""

import time
from pathlib import Path
from typing import Any

import pytest

from batch.datasets import dataset, explainer_with, files
from whylight.batch.journal import Journal
from whylight.batch.options import BatchOptions
from whylight.batch.run import explain_dataset
from whylight.batch.step import BatchResult

ray = pytest.importorskip("ray")


def test_a_node_is_lost_and_the_bytes_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.cluster_utils import Cluster

    explainer = explainer_with(batch_size=16)
    tables = [dataset(tmp_path / name, rows=6000) for name in ("plain", "cluster")]
    explain_dataset(explainer, tables[0], tmp_path / "plain" / "gradcam.csv", BatchOptions(columns=("score",)))
    cluster: Any = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        ray.init(address=cluster.address, log_to_driver=False)
        add, recorded, lost_at = Journal.add, 0, 0

        def add_and_lose_the_second_node(self: Journal, result: BatchResult) -> None:
            nonlocal recorded, lost_at
            add(self, result)
            recorded += len(result.rows)
            if recorded - len(result.rows) < 512 <= recorded:  # other shards are under way on both nodes
                cluster.remove_node(second, allow_graceful=False)
                lost_at = recorded

        monkeypatch.setattr(Journal, "add", add_and_lose_the_second_node)
        options = BatchOptions(columns=("score",), engine="ray")
        summary = explain_dataset(explainer, tables[1], tmp_path / "cluster" / "gradcam.csv", options)
        assert 0 < lost_at < 3000, "the node was lost in mid-run"
        deadline = time.monotonic() + 60  # the cluster notices some time later
        while (alive := sum(node["Alive"] for node in ray.nodes())) > 1 and time.monotonic() < deadline:
            time.sleep(0.5)
        assert alive == 1
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert summary.explained == 6000
    assert files(tmp_path / "plain") == files(tmp_path / "cluster")
