"""The same shards on a Ray cluster of two nodes, one of which is lost."""

import time
from pathlib import Path
from typing import Any

import pytest

import whylight
from batch.datasets import SAMPLE, dataset, files
from whylight.batch import Engine, explain_dataset
from whylight.batch.journal import Journal
from whylight.batch.plan import Plan
from whylight.batch.step import BatchResult

ray = pytest.importorskip("ray")


def test_a_node_is_lost_and_the_bytes_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.cluster_utils import Cluster

    explainer = whylight.load(SAMPLE / "results.nnp").explainer()
    plans = [
        Plan(dataset(tmp_path / name, rows=6000), tmp_path / name / "gradcam.csv", batch_size=16, columns=("score",))
        for name in ("plain", "cluster")
    ]
    explain_dataset(explainer, plans[0])
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
        summary = explain_dataset(explainer, plans[1], engine=Engine("ray"))
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
