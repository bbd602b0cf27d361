"""From footprints to measurements: background, time series, uncertainty."""
