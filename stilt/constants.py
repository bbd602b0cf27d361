"""Physical constants of the transport, with the values that HYSPLIT uses.

They are a little different from today's best values on purpose: results are compared with
HYSPLIT's, and its constants are part of its definition.
"""

GRAVITY_M_S2 = 9.80616
"""Acceleration of gravity, m s-2."""

GAS_CONSTANT_DRY_AIR = 287.04
"""Specific gas constant of dry air, J kg-1 K-1."""

KAPPA = 0.286
"""Exponent of the potential temperature (R/cp); HYSPLIT's 0.286, not 0.2857."""

HEAT_CAPACITY_AIR = 1005.0
"""Specific heat of air at constant pressure, J kg-1 K-1."""

VON_KARMAN = 0.4
"""Von Karman's constant."""

PRANDTL_NEUTRAL = 0.923
"""Turbulent Prandtl number of the neutral surface layer (Beljaars and Holtslag 1991)."""

MOLAR_MASS_AIR_TRANSPORT = 0.02884
"""Molar mass of dry air in the transport's own footprint, kg mol-1 (HYSPLIT)."""

ROUGHNESS_LENGTH_DEFAULT_M = 0.2
"""Roughness length where the weather file has none, m."""

SECONDS_PER_MINUTE = 60.0
