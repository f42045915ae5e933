"""Speed measurements, one module each; ``gog-benchmark what=<module>`` runs one.

A benchmark is an object with ``run() -> record`` and ``tables(record)``; ``conf/what/<module>.yaml`` builds it. All its
comparisons are made in one run, repetition by repetition in turn, so that their ratios hold on a busy machine too.
"""

from gog_pose.benchmarks.codec import CodecBenchmark
from gog_pose.benchmarks.data import DataBenchmark
from gog_pose.benchmarks.speed import SpeedBenchmark
from gog_pose.benchmarks.train import TrainBenchmark

__all__ = ["CodecBenchmark", "DataBenchmark", "SpeedBenchmark", "TrainBenchmark"]
