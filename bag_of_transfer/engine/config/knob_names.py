"""The names of the knobs: what a user changes first, each by one name in every config."""

__all__ = ["ALL_NAMES", "KNOBS", "SYNONYMS"]

# In the order in which they are applied.
KNOBS = ("data_root", "classes", "image_size", "batch_size", "epochs", "max_iters", "lr")

# What other libraries and older configs call them.
SYNONYMS = {
    **dict.fromkeys(("image_scale", "img_scale", "img_size", "imgsz", "crop_size"), "image_size"),
    "crop_px": "image_size",
    **dict.fromkeys(("num_epochs", "max_epochs"), "epochs"),
    **dict.fromkeys(("batch", "bs"), "batch_size"),
    **dict.fromkeys(("learning_rate", "base_lr", "lr0"), "lr"),
    **dict.fromkeys(("class_names", "names"), "classes"),
}
ALL_NAMES = frozenset({*KNOBS, *SYNONYMS})
