import os
import sys
from collections import namedtuple
from typing import List

Point = namedtuple('Point', 'x y')

def unused():
    with open('x') as f:
        yield f.read()

def reward_function(params):
    return 1.0 + params['speed']
