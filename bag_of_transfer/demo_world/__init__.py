"""A small drawn world with labels: three data sets of the same twelve object classes.

It shows the whole chain (pretrain, hand over, fine-tune) and is not for papers.
Everything is integer arithmetic, so every machine draws the same pixels.
"""
