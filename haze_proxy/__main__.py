"""python -m haze_proxy"""

from haze_proxy.cli import main

main(prog_name="haze-proxy")
