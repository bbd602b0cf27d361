"""From footprints to what was measured: background, time series, uncertainty."""
