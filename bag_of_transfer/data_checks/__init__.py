"""The data doctor: what the content of images, masks and annotations shows, over all splits."""
