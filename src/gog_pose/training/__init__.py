"""Training: the LightningModule, schedules, loggers, checkpoints and callbacks."""
