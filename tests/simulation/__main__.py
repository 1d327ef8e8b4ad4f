"""Run one seed again and tell every step: python -m tests.simulation SEED [RULE]."""

import argparse
import sys

from tests.simulation.simulation import simulate
from tests.support.broken_rules import RULES

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("seed", type=int)
parser.add_argument("rule", nargs="?", choices=RULES, help="the rule of the stage to break")
asked = parser.parse_args()
outcome = simulate(asked.seed, rule=asked.rule)
sys.stdout.write(outcome.told(last=None) + "\n")
sys.exit(1 if outcome.wrong else 0)
