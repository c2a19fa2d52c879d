"""What keys of OpenMMLab's configs of 2.x are called today, to tell a user who types them."""

__all__ = ["today"]

REST = ".*"  # what stands below the former key stands below today's
TODAY = {
    "runner": "train_cfg",
    "runner.max_epochs": "train_cfg.max_epochs",
    "runner.max_iters": "train_cfg.max_iters",
    "total_epochs": "train_cfg.max_epochs",
    "total_iters": "train_cfg.max_iters",
    "data": "train_dataloader",
    "data.samples_per_gpu": "train_dataloader.batch_size",
    "data.workers_per_gpu": "train_dataloader.num_workers",
    "data.train": f"train_dataloader.dataset{REST}",
    "data.val": f"val_dataloader.dataset{REST}",
    "data.test": f"test_dataloader.dataset{REST}",
    "optimizer": f"optim_wrapper.optimizer{REST}",
    "optimizer.paramwise_cfg": f"optim_wrapper.paramwise_cfg{REST}",
    "optimizer_config": "optim_wrapper",
    "optimizer_config.grad_clip": f"optim_wrapper.clip_grad{REST}",
    "lr_config": "param_scheduler",
    "momentum_config": "param_scheduler",
    "evaluation": "val_evaluator",
    "evaluation.interval": "train_cfg.val_interval",
    "evaluation.metric": "val_evaluator.metric",
    "evaluation.save_best": "default_hooks.checkpoint.save_best",
    "checkpoint_config": f"default_hooks.checkpoint{REST}",
    "log_config": "default_hooks.logger",
    "log_config.interval": "default_hooks.logger.interval",
    "fp16": "--amp",
    "resume_from": "--resume",
    "dist_params": f"env_cfg.dist_cfg{REST}",
    "cudnn_benchmark": "env_cfg.cudnn_benchmark",
    "opencv_num_threads": "env_cfg.mp_cfg.opencv_num_threads",
    "mp_start_method": "env_cfg.mp_cfg.mp_start_method",
}


def today(key: str) -> str:
    """Return today's key, or flag, for a dotted key of 2.x; "" for any other key."""
    former, below = key, ""
    while former not in TODAY:
        former, dot, last = former.rpartition(".")
        if not dot:
            return ""
        below = f".{last}{below}"
    name = TODAY[former]
    return name.removesuffix(REST) + below if name.endswith(REST) else name
