"""CSV text in, checked and resampled bars out. Pure: nothing here touches the disk, the clock or the environment."""
