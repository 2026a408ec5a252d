"""The bundles on a car.

store       one folder each, and one link that says which drives
card        what a person wants to know of a bundle
disk        what the store does to a disk
check       the recorded answers, computed again in a process of its own
fit         what a car asks of a bundle: its sensors, its limits
signature   who made a bundle, and whom this car trusts
deploy      brings a bundle to a car over ssh
"""
