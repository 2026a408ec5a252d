"""Keeps the bundles of a car: bundles come in from files or over ssh, and one verified model in use comes out.

`store` holds one folder for each model and one link to the model in use; `disk` makes its changes survive a power cut.
`parity` computes the recorded answers again in a separate process, `signature` signs bundles and checks signatures, and
`deploy` sends a bundle to a car.
"""

from racer.lazy import lazy_attributes

_MODULES = {"ModelStore": "store", "Parity": "parity", "sign_bundle": "signature", "verify_signature": "signature"}
__getattr__ = lazy_attributes(__name__, _MODULES)

__all__ = ["ModelStore", "Parity", "sign_bundle", "verify_signature"]
