"""A LeRobot policy drives, in LeRobot's own environment; Ghostlap need not be installed there.

ghostlap benchmark 'exec:lerobot-venv/bin/python examples/lerobot_policy.py CHECKPOINT'

CHECKPOINT is what `lerobot-train` made of what `ghostlap convert --as lerobot` wrote: one picture,
the speed and the one before in, steering and throttle out.
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
config = PreTrainedConfig.from_pretrained(sys.argv[1])
policy = get_policy_class(config.type).from_pretrained(sys.argv[1]).eval()
before, after = make_pre_post_processors(policy.config, pretrained_path=sys.argv[1])
image = next(iter(config.image_features))

while line := sys.stdin.buffer.readline():
    told = json.loads(line)
    if "start" in told:
        shape = told["height"], told["width"], 3
        policy.reset()
        last_mph = 0.0
        print('{"ready": true}', file=said, flush=True)
        continue
    frame = np.frombuffer(sys.stdin.buffer.read(told["frame"]), np.uint8).reshape(shape)
    seen = {image: torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255}
    seen["observation.state"] = torch.tensor([[told["speed_mph"], last_mph]])
    last_mph = told["speed_mph"]
    with torch.no_grad():
        action = after(policy.select_action(before(seen)))
    print(json.dumps(action.flatten().tolist()[:2]), file=said, flush=True)
