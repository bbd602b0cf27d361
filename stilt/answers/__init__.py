"""From footprints to mole fractions: background, time series, uncertainty."""
