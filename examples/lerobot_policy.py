"""A LeRobot policy drives, in LeRobot's own environment; Ghostlap need not be installed there.

ghostlap benchmark 'exec:lerobot-venv/bin/python examples/lerobot_policy.py PRETRAINED_MODEL'

The folder is of `lerobot-train`, trained on what `ghostlap convert --as lerobot` wrote: one
picture, the speed and the one before in; steering, throttle and brake out.
"""

import json
import os
import sys

import numpy as np
import torch
from lerobot.configs.policies import PreTrainedConfig
from lerobot.policies.factory import get_policy_class, make_pre_post_processors

said = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what libraries print must not get between the answers
torch.set_num_threads(1)  # sums in one order: each time the same answers
config = PreTrainedConfig.from_pretrained(sys.argv[1])
policy = get_policy_class(config.type).from_pretrained(sys.argv[1]).eval()
before, after = make_pre_post_processors(policy.config, pretrained_path=sys.argv[1])
if len(config.image_features) != 1:
    sys.exit(f"there is one camera here, and the policy sees {', '.join(config.image_features)}")
while line := sys.stdin.buffer.readline():
    told = json.loads(line)
    if "start" in told:
        policy.reset()
        shape, last_mph = (told["height"], told["width"], 3), 0.0
        print('{"ready": true}', file=said, flush=True)
        continue
    frame = np.frombuffer(sys.stdin.buffer.read(told["frame"]), np.uint8).reshape(shape)
    picture = torch.from_numpy(frame.copy()).permute(2, 0, 1).float() / 255
    seen = dict.fromkeys(config.image_features, picture)
    seen["observation.state"] = torch.tensor([told["speed_mph"], last_mph])
    last_mph = told["speed_mph"]
    with torch.no_grad():
        steering, *pedals = after(policy.select_action(before(seen))).flatten().tolist()
    print([steering, pedals[0] - sum(pedals[1:2])] if pedals else steering, file=said, flush=True)
