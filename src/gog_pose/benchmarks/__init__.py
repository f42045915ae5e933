"""Benchmarks, one per module; ``gog-benchmark what=<module>`` runs one.

A benchmark is an object with ``run() -> record`` and ``tables(record)``, built from ``conf/what/<module>.yaml``. The
compared variants are measured alternately in one run, so that their ratios are also valid on a busy machine.
"""

from gog_pose.benchmarks.codec import CodecBenchmark
from gog_pose.benchmarks.data import DataBenchmark
from gog_pose.benchmarks.speed import SpeedBenchmark
from gog_pose.benchmarks.train import TrainBenchmark

__all__ = ["CodecBenchmark", "DataBenchmark", "SpeedBenchmark", "TrainBenchmark"]
