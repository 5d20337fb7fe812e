"""Pictures: decoding, preprocessing, and label-aware augmentation."""
