"""A folder of pictures as a video: the same as ``ghostlap video``.

python scripts/video.py image_folder --fps 48
"""

import sys

from ghostlap.commands.cli import main

if __name__ == "__main__":
    main(["video", *sys.argv[1:]])
