"""TensorBoard and MLflow: metrics and pictures are logged; a missing package is reported in one line."""

import importlib.util

import cv2
import numpy as np
import pytest

from gog_pose.errors import InputError
from gog_pose.training.loggers import log_pictures, mlflow_logger, place_of, tensorboard_logger

PICTURE = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)


@pytest.mark.parametrize(
    ("build", "package"),
    [
        (lambda: tensorboard_logger(save_dir="."), "tensorboard"),
        (lambda: mlflow_logger(experiment="x", uri="sqlite:///x.db"), "mlflow"),
    ],
)
def test_a_missing_package_is_named_with_the_extra(monkeypatch, build, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=rf"logger={package}: .* pip install 'gog-pose\[{package}\]'"):
        build()


def test_tensorboard_has_metrics_and_pictures(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = tensorboard_logger(save_dir=str(tmp_path))
    logger.log_metrics({"val/AP": 0.25}, step=3)
    log_pictures(logger, "val/poses", [PICTURE], ["17"], step=3)
    logger.experiment.flush()
    assert place_of(logger) == f"{tmp_path}/tensorboard/version_0"
    events = EventAccumulator(logger.log_dir).Reload()
    assert [(event.step, event.value) for event in events.Scalars("val/AP")] == [(3, 0.25)]
    (image,) = events.Images("val/poses/17")
    assert (image.step, image.width, image.height) == (3, 6, 8)


def test_mlflow_has_metrics_and_pictures(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)  # MLflow stores the pictures in mlruns of the working folder
    logger = mlflow_logger(experiment="poses", uri=f"sqlite:///{tmp_path}/mlflow.db", name="run", tags={"group": None})
    assert place_of(logger) == f"sqlite:///{tmp_path}/mlflow.db"
    logger.log_metrics({"val_keypoints/PCK/nose": 0.25}, step=3)
    log_pictures(logger, "val/poses", [PICTURE], ["17"], step=3)
    (metric,) = logger.experiment.get_metric_history(logger.run_id, "val_keypoints/PCK/nose")
    assert (metric.step, metric.value) == (3, 0.25)
    names = [artifact.path for artifact in logger.experiment.list_artifacts(logger.run_id, "images")]
    (name,) = [name for name in names if name.endswith(".png")]
    assert name.startswith("images/val~poses~17+step+3+")
    picture = cv2.imread(logger.experiment.download_artifacts(logger.run_id, name, str(tmp_path)))
    np.testing.assert_array_equal(picture[..., ::-1], PICTURE)
