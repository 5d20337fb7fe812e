"""Attacks on Ghostlap, for anyone to run: what is lost, what hangs, what falls, who gets in.

    python -m benchmarks.attack --minutes 30
    python -m benchmarks.attack --only kills/record --seed 7 --attempt 12    # one of them again

Each kind of attack is a module with one function, ``attack(campaign, seconds)``; what it tried and
what did not hold becomes rows of one table (:mod:`benchmarks.attack.campaign`).
"""
